// SPDX-License-Identifier: Apache-2.0
// Names, attributes and messages of a hostile sender are text, in every view: no markup, no script, nothing turned around,
// no page that grows. A twin shows that the watch would see what it watches for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { Dashboard, until } from './harness.mjs';
import { Sender, id } from './sender.mjs';
import { HOSTILE } from './story.mjs';

let dashboard;
let browser;
const traces = {};

before(async () => {
    [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
    const sender = new Sender(dashboard, HOSTILE.markup, HOSTILE.turned);
    for (const [what, text] of Object.entries(HOSTILE)) {
        traces[what] = id(16);
        await sender.contexts([{
            trace: traces[what], name: text, kind: text, type: what === 'markup' ? text : 'request', start: Date.now() / 1e3 - 1, duration: 0.5,
            failed: text, attributes: { [text]: text }, events: [{ offset: 0.1, name: text, attributes: { [text]: text } }], segments: [[0, 0.2, 'run']],
            errors: [{
                kind: what === 'markup' ? text : 'context_lost', message: text, expected: text, found: text, foundBy: `${text}:1 (${text})`, setBy: `${text}:2 (${text})`,
                recent: [`${text} -> ${text} at ${text}, 1.0 ms ago`, text], stack: text, offset: 0.4,
            }],
        }]);
    }
    await dashboard.holds(Object.keys(HOSTILE).length);
});
after(() => Promise.all([browser.stop(), dashboard.stop()]));

/** What a hostile name must not have done. */
async function harmless(view) {
    const state = await view.page.evaluate(() => ({
        title: document.title, scripts: document.querySelectorAll('main script, main img, main iframe, header script').length,
        handlers: [...document.querySelectorAll('main *, header *')].filter(e => [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'style' && !e.style.cssText)).length,
        wide: document.documentElement.scrollWidth - innerWidth, tall: document.documentElement.scrollHeight - innerHeight,
    }));
    assert.notEqual(state.title, 'owned');
    assert.equal(state.scripts, 0);
    assert.equal(state.handlers, 0);
    assert.ok(state.wide <= 0 && state.tall <= 0, `the page grew by ${state.wide} and ${state.tall} pixels`);
}

test('the watch sees markup, a handler, a forbidden script and a foreign request if there are any', async () => {
    const view = await browser.open(dashboard, '/losses');
    await view.reads('.detail h2', /./);
    await view.page.evaluate(() => document.querySelector('main').insertAdjacentHTML('beforeend', '<img src="http://192.0.2.1/x" onerror="document.title=\'owned\'"><script>1</script>'));
    await until('the policy speaks', () => view.wrong.length >= 1);
    await assert.rejects(() => harmless(view));
    await assert.rejects(() => view.close(), /forbidden by the policy/);
});

for (const what of Object.keys(HOSTILE)) {
    test(`a lifetime whose texts are ${what}`, async () => {
        const view = await browser.open(dashboard, `/trace/${traces[what]}`);
        await until('the row is there', async () => await view.page.locator('.wrow').count() === 1);
        const { contexts: [context] } = await dashboard.json(`/trace/${traces[what]}`);
        const shown = await view.page.locator('.lt-head h2').evaluate(e => e.textContent);
        assert.equal(shown.slice(0, 100), context.name.slice(0, 100) || '(empty)');
        await view.page.locator('.wrow').hover();
        await harmless(view);
        await view.close();
    });
}

test('turned text turns nothing around it: names stand alone', async () => {
    const view = await browser.open(dashboard, `/trace/${traces.turned}`);
    await view.reads('.lt-head h2', /./);
    const open = await view.page.evaluate(() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        for (let node = walker.nextNode(); node; node = walker.nextNode())
            if (/[\u202A-\u202E\u2066-\u2069]/.test(node.data)) {
                const style = getComputedStyle(node.parentElement);
                const alone = node.parentElement.childNodes.length === 1 && (style.unicodeBidi.includes('isolate') || style.display !== 'inline');
                if (!alone) found.push(`${node.parentElement.tagName}.${node.parentElement.className}`);
            }
        return found;
    });
    assert.deepEqual(open, []);
    await view.close();
});

for (const path of ['/now', '/contexts?probes=1', '/losses', '/alerts']) {
    test(`${path} with hostile names`, async () => {
        const view = await browser.open(dashboard, path);
        await until('the view is there', async () => await view.page.locator('main .panel').count() > 0);
        await harmless(view);
        if (path === '/losses') {
            const { groups } = await dashboard.json('/losses');
            for (const group of groups) {
                await view.go(`/losses/${group.group}`);
                await until('the example is there', async () => await view.page.locator('.frow').count() > 0 && await view.page.locator('.group[aria-selected=true]').count() === 1);
                await harmless(view);
            }
        }
        if (path.startsWith('/contexts')) {
            await view.reads('.matches', /^6 match/);
            await view.page.locator('#q').fill(HOSTILE.quotes);
            await view.reads('.matches', /^1 matches/);
            await harmless(view);
        }
        await view.close();
    });
}
