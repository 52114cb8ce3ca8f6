// SPDX-License-Identifier: Apache-2.0
// Which of the two themes, before anything is painted: this is the one script that is not a module. The page follows
// the system until it is toggled, and again when toggled back to what the system has.
'use strict';

(() => {
    const root = document.documentElement;
    const system = matchMedia('(prefers-color-scheme: dark)');

    function stored() {
        try {
            return localStorage.getItem('logctx.theme');
        } catch {
            return null; // storage is closed to this page
        }
    }

    function use(theme) {
        root.style.colorScheme = theme === 'light' || theme === 'dark' ? theme : 'light dark';
        root.dataset.theme = theme === 'light' || theme === 'dark' ? theme : 'auto';
        dispatchEvent(new Event('logctx-theme'));
    }

    window.logctxTheme = {
        toggle() {
            const dark = root.dataset.theme === 'auto' ? system.matches : root.dataset.theme === 'dark';
            const theme = !dark === system.matches ? 'auto' : dark ? 'light' : 'dark';
            try {
                localStorage.setItem('logctx.theme', theme);
            } catch { /* it then holds for this page only */ }
            use(theme);
        },
    };
    use(stored());
    system.addEventListener('change', () => dispatchEvent(new Event('logctx-theme')));
    matchMedia('(forced-colors: active)').addEventListener('change', () => dispatchEvent(new Event('logctx-theme')));
})();
