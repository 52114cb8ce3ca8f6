// SPDX-License-Identifier: Apache-2.0
// The pictures of docs/images: each view of the page in both themes, with what the real demo does under load while it makes
// its three mistakes. They are made by hand when the page has changed: takes two minutes.
// usage: run.sh FOLDER screenshots.mjs LOGCTX_DASHBOARD=... LOGCTX_DEMO=... LOGCTX_IMAGES=docs/images [LOGCTX_SECONDS=120]
import { Browser } from './browser.mjs';
import { Dashboard, Demo, until } from './harness.mjs';

const seconds = Number(process.env.LOGCTX_SECONDS ?? 120);
const images = process.env.LOGCTX_IMAGES;

/** What people do with the demo: rooms, now and then a report, and from half of the time on the requests with a bug. */
async function load(demo, stop) {
    let round = 0;
    const begin = Date.now();
    const worker = async me => {
        while (Date.now() < stop) {
            round++;
            const late = Date.now() - begin > (stop - begin) / 2;
            await demo.request(`/rooms/${round % 40 + 1}`);
            if (round % 9 === me) await demo.request('/rooms', { method: 'POST', body: `Room ${round}` });
            if (round % 40 === me) await demo.request('/report');
            if (round % 30 === me) // more than it has connections: some wait
                await Promise.all(Array.from({ length: 12 }, (_, i) => demo.request(`/search/${(round + i) % 12 + 1}`)));
            if (round % 25 === me) await demo.request(`/slow/${20 + round % 300}`);
            if (late && round % 97 === me) await demo.request(`/bug/${['lost', 'lost', 'lost', 'leaked', 'restarted'][Math.floor(round / 97) % 5]}`);
            await new Promise(resolve => setTimeout(resolve, 4 + round % 13));
        }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6].map(worker));
}

const [dashboard, browser] = await Promise.all([Dashboard.start(), Browser.start()]);
const demo = await Demo.start(dashboard);
let end = Date.now() + seconds * 1000;
const working = load(demo, end + 20000);
await new Promise(resolve => setTimeout(resolve, seconds * 1000));
const window = seconds < 280 ? 300 : 900;
const slow = [3500, 9000, 12000].map(ms => demo.request(`/slow/${ms}`).catch(() => 0));
const { groups: [group] } = await dashboard.json('/losses');
const { rows: [search] } = await dashboard.json('/contexts', { kind: 'GET /search/{id}', type: 'request', sort: 'db_wait', limit: 1 });
const views = [
    ['now', `/now?window=${window}`, '.tile'], ['contexts', `/contexts?window=${window}`, '#contexts-list tbody tr'],
    ['lifetime', `/trace/${search.trace_id}`, '.wrow'], ['losses', `/losses/${group.group}?window=${window}`, '.frow'],
    ['alerts', `/alerts?window=${window}`, 'main .panel'],
];
for (const theme of ['light', 'dark'])
    for (const [name, path, sign] of views) {
        const view = await browser.open(dashboard, path, { theme });
        await until(`${name} is there`, async () => await view.page.locator(sign).count() > 0);
        await until('it is live', async () => /\/s$|^live$/.test(await view.text('#live')));
        if (name === 'now') await until('the figures are there', async () => /\d/.test(await view.text('#tile-contexts .big')));
        if (name === 'losses') await until('the example is there', async () => await view.page.locator('.why').count() > 0);
        await view.page.screenshot({ path: `${images}/dashboard-${name}-${theme}.png` });
        await view.close();
    }
await working;
await Promise.all(slow);
await demo.stop();
await browser.stop();
await dashboard.stop();
