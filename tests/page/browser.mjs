// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium, and pages in it that are watched: what leaves the origin, what the policy of the page forbids, and what
// goes wrong in a script is kept, and has to be nothing at the end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { until } from './harness.mjs';

const require = createRequire(import.meta.url);
const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();

export class Browser {
    static async start() {
        const self = new Browser();
        self.browser = await chromium.launch({ executablePath, args: ['--font-render-hinting=none', '--disable-dev-shm-usage'] });
        return self;
    }

    stop() {
        return this.browser.close();
    }

    async open(dashboard, path, { theme = 'light', width = 1440, height = 900, ...more } = {}) {
        const context = await this.browser.newContext({
            viewport: { width, height }, colorScheme: theme, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], ...more,
        });
        const view = new View(await context.newPage(), dashboard);
        await view.watch();
        await view.go(path);
        return view;
    }
}

export class View {
    constructor(page, dashboard) {
        this.page = page;
        this.dashboard = dashboard;
        this.wrong = [];
    }

    async watch() {
        const { page } = this;
        const origin = new URL(this.dashboard.url).origin;
        await page.exposeFunction('tellOfViolation', text => this.wrong.push(`forbidden by the policy: ${text}`));
        await page.addInitScript(() => document.addEventListener('securitypolicyviolation',
            event => window.tellOfViolation(`${event.violatedDirective} ${event.blockedURI}`)));
        page.on('console', message => {
            if (message.type() === 'error') this.wrong.push(`console: ${message.text()} ${message.location().url}`);
        });
        page.on('pageerror', error => this.wrong.push(`script: ${error.stack}`));
        page.on('request', request => {
            const url = new URL(request.url());
            if (url.origin !== origin && url.protocol !== 'data:' && url.protocol !== 'blob:') this.wrong.push(`another origin: ${url}`);
        });
    }

    async go(path) {
        await this.page.goto(this.dashboard.url + path);
    }

    text(selector) {
        return this.page.locator(selector).first().innerText();
    }

    /** Waits until the text of an element is as wanted: a string, or a pattern. */
    async reads(selector, wanted) {
        return until(`${selector} reads ${wanted}`, async () => {
            const text = (await this.text(selector)).replace(/\s+/g, ' ').trim();
            if (typeof wanted === 'string' ? text === wanted : wanted.test(text)) return text;
            throw new Error(`it reads: ${text}`);
        });
    }

    /** What axe finds wrong with the page as it is: rules of WCAG A and AA, and best practice. */
    async axe() {
        await this.page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
        const { violations } = await this.page.evaluate(() => window.axe.run(document, {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'],
        }));
        return violations.flatMap(v => v.nodes.map(node => `${v.id}: ${node.target.join(' ')}: ${node.failureSummary.split('\n').slice(1).join(' ').trim()}`));
    }

    /** Closes the page; nothing may have gone wrong in it, but for what `allowed` matches. */
    async close(allowed = null) {
        await this.page.context().close();
        assert.deepEqual(this.wrong.filter(text => !allowed?.test(text)), []);
    }
}
