// SPDX-License-Identifier: Apache-2.0
// The frame's state and the way between views. A view is a module:
//
//     export function mount(el, ctx)    builds into the empty `el` and answers an object with
//       update()          the address, the service or the window is another, or the data may be: ask and draw
//       live(name, data)  an event of /live, not while the page is paused     (may be missing)
//       keys(event)       true if it has used the key                         (may be missing)
//       unmount()         the element goes away: end timers and observers     (may be missing)
//
//     ctx.path          parts of the path: ['trace', '4bf9...']
//     ctx.params        URLSearchParams of the view alone, without service, instance, window, to
//     ctx.load(path, params)      asks the server, with the service and the window: the answer; null if it was overtaken or
//                       the server is away (then the frame says so and old data stays); { missing: sentence, status } for
//                       404. Other refusals stand in the view's place.
//     ctx.href(path, params)      of a link that keeps service and window; plain <a href> are followed without a reload
//     ctx.go(path, params)        follows one
//     ctx.change(params)          replaces the view's own parameters, and is not a step of the history; calls no update()
//     ctx.ask(path, params, signal)   asks without the frame's help: the answer, or throws (api.js)
//     ctx.now()         the server's clock    ctx.window seconds    ctx.head the last common head    ctx.paused
//     ctx.range(from, to)         looks at that stretch of the past, in this view and, until somebody leaves it, in all others
//     ctx.title(text)   of the document
//     ctx.memory        a Map that lives as long as the page, the view's own

import { Live, Refused, get } from './api.js';
import { away, broken, emptyStore, refused } from './blank.js';
import { cut, el, hideTip, put, say } from './dom.js';
import * as frame from './frame.js';
import { listen } from './keys.js';
import { notify } from './notify.js';

const MODULES = {
    now: () => import('./now.js'), contexts: () => import('./contexts.js'), trace: () => import('./lifetime.js'),
    losses: () => import('./losses.js'), alerts: () => import('./alerts.js'),
};
const COMMON = ['service', 'instance', 'window', 'to'];
const SHORTEST = 60; // seconds; the server takes no shorter window
const SLOW = 200; // ms after which an answer that has not come is worth a word

const main = document.getElementById('main');
const state = {
    route: null,       // { view, path, params, common }
    head: null,        // of the answer that came last
    offset: 0,         // server's clock - ours, seconds
    rate: null,
    firing: 0, pending: 0, losses: 0,
    paused: false, held: 0, heldBack: new Map(),
    view: null,        // { id, element, object }
    asking: null,      // AbortController of what the view waits for
    hiddenAt: 0,
    lifetime: null,
};
const memories = new Map(Object.keys(MODULES).map(id => [id, new Map()]));
const live = new Live(heard, drawLive);

// ---- addresses ---------------------------------------------------------------------------------------------------

function parse(url) {
    const path = url.pathname.split('/').filter(Boolean).map(part => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
    const common = {};
    const params = new URLSearchParams();
    for (const [key, value] of url.searchParams) {
        if (COMMON.includes(key)) common[key] = value;
        else if (key !== 'format' && key !== 'token') params.append(key, value);
    }
    return { view: path[0] in MODULES ? path[0] : 'now', path: path[0] in MODULES ? path : ['now'], params, common };
}

function address(path, params, common) {
    const all = new URLSearchParams(params);
    for (const key of COMMON) if (common[key] !== undefined) all.append(key, common[key]);
    const query = all.toString();
    return query === '' ? path : `${path}?${query}`;
}

const href = (path, params) => address(path, params, state.route.common);
const here = () => parse(new URL(location.href)); // a view may have replaced its part of it
const pathOf = route => '/' + route.path.map(encodeURIComponent).join('/');
const seconds = () => Number(state.route.common.window) || 900;
const serverNow = () => Date.now() / 1e3 + state.offset;

function withCommon(params) {
    return new URLSearchParams([...new URLSearchParams(params), ...Object.entries(state.route.common)]);
}

function common(change) {
    const all = { ...state.route.common, ...change };
    for (const key of COMMON) if (all[key] === null) delete all[key];
    return all;
}

function go(url, replace = false) {
    // What the view wants to find again when the person comes back.
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    enter();
}

async function enter() {
    const before = state.route;
    const route = state.route = parse(new URL(location.href));
    if (route.view === 'trace' && route.path.length > 1) remember(route);
    frame.drawRoute(route.view, href, lifetimePath());
    frame.drawWindow(seconds());
    hideTip();
    listenLive();
    if (before !== null && before.view === route.view && state.view !== null && state.view.object !== null) {
        update();
        return;
    }
    await mount(route);
}

function remember(route) {
    state.lifetime = pathOf(route);
    try {
        sessionStorage.setItem('logctx.lifetime', state.lifetime);
    } catch { /* it is remembered until the page is reloaded */ }
}

// ---- the view ----------------------------------------------------------------------------------------------------

function context(route) {
    return {
        get path() { return here().path; },
        get params() { return here().params; },
        get window() { return seconds(); },
        get head() { return state.head; },
        get paused() { return state.paused; },
        get past() { return state.route.common.to !== undefined; },
        memory: memories.get(route.view),
        now: serverNow,
        load, href,
        go: (path, params) => go(href(path, params)),
        change(params) {
            history.replaceState(history.state, '', href(pathOf(here()), params));
        },
        ask: (path, params, signal) => get(path, withCommon(params), signal),
        range(from, to) {
            const length = Math.max(SHORTEST, Math.round(to - from));
            go(address(pathOf(here()), here().params, common({ window: length, to: Math.round((from + to + length) / 2) })));
        },
        title: text => { document.title = text === null ? 'logctx' : `${cut(text, 80)} · logctx`; },
    };
}

async function mount(route) {
    if (state.view !== null && state.view.object !== null && state.view.object.unmount) state.view.object.unmount();
    if (state.asking !== null) state.asking.abort();
    const element = el('div.view', { id: route.view });
    const view = state.view = { id: route.view, element, object: null };
    put(main, element);
    main.scrollTop = 0;
    document.title = 'logctx';
    try {
        const module = await MODULES[route.view]();
        if (state.view !== view) return; // somebody went on meanwhile
        view.object = module.mount(element, context(route));
    } catch (error) {
        put(main, broken(error));
        throw error;
    }
    update();
}

async function update() {
    const view = state.view;
    try {
        await view.object.update();
    } catch (error) {
        if (state.view === view) put(main, broken(error));
        throw error;
    }
}

// Shows the view again after something else stood in its place.
function show() {
    if (state.view !== null && !state.view.element.isConnected) put(main, state.view.element);
}

async function load(path, params = []) {
    if (state.asking !== null) state.asking.abort();
    const asking = state.asking = new AbortController();
    const slow = setTimeout(() => main.setAttribute('aria-busy', 'true'), SLOW);
    try {
        const data = await get(path, withCommon(params), asking.signal);
        if (state.asking !== asking) return null;
        main.classList.remove('old');
        takeHead(data);
        if (data.services.length === 0 && data.store.contexts === 0) {
            put(main, emptyStore(data.address));
            return null;
        }
        show();
        return data;
    } catch (error) {
        if (state.asking !== asking || error.name === 'AbortError') return null;
        return failed(error);
    } finally {
        clearTimeout(slow);
        if (state.asking === asking) main.removeAttribute('aria-busy');
    }
}

function failed(error) {
    if (error instanceof Refused && error.status === 404) {
        show();
        return { missing: error.message, status: 404 };
    }
    if (error instanceof Refused) put(main, refused(error.message, error.status));
    else if (state.head === null) put(main, away());
    else main.classList.add('old');
    return null;
}

// ---- what comes --------------------------------------------------------------------------------------------------

function takeHead(data) {
    state.head = data;
    state.offset = data.time - Date.now() / 1e3;
    state.losses = data.losses.total;
    if (state.rate === null && data.rate !== undefined) state.rate = data.rate;
    if (data.alerts !== undefined) countAlerts(data.alerts.rules);
    frame.drawServices(data, (service, instance) =>
        address('/' + (state.route.view === 'trace' ? 'now' : state.route.view), [], common({ service, instance })));
    drawHead();
}

function countAlerts(rules) {
    state.firing = rules.filter(rule => rule.state === 'firing').length;
    state.pending = rules.filter(rule => rule.state === 'pending').length;
}

function drawHead() {
    frame.drawBadges(state.losses, state.firing, state.pending);
    if (state.head !== null) frame.drawFoot(state.head, serverNow());
    drawLive();
}

function drawLive() {
    const past = state.route !== null && state.route.common.to !== undefined;
    const mode = live.state === 'away' ? 'away' : state.paused ? 'paused' : past ? 'past' : live.state === 'live' ? 'live' : 'connecting';
    frame.drawLive(mode, { rate: state.rate, held: state.held, until: Number(state.route?.common.to), silentFor: live.silentFor() });
    main.classList.toggle('old', mode === 'away' && state.head !== null);
}

function heard(name, data) {
    const returned = main.classList.contains('old') || (state.view !== null && !state.view.element.isConnected);
    if (name === 'now') {
        state.rate = data.rate;
        countAlerts(data.alerts.rules);
    }
    if (name === 'alerts') {
        countAlerts(data.rules);
        notify(data.rules);
    }
    if (state.paused) {
        state.heldBack.set(name, data);
        if (name === 'contexts') state.held += data.added;
        drawLive();
        return;
    }
    if (name === 'now') takeHead(data);
    if (name === 'losses') state.losses = data.total;
    drawHead();
    if (state.view === null || state.view.object === null) return;
    if (returned) update();
    else if (state.view.object.live && state.route.common.to === undefined && !document.hidden) state.view.object.live(name, data);
}

function pause() {
    state.paused = !state.paused;
    frame.drawPause(state.paused);
    say(state.paused ? 'Paused. The receiver goes on.' : 'Live again.');
    if (!state.paused) {
        const back = state.heldBack;
        const added = state.held;
        state.held = 0;
        state.heldBack = new Map();
        for (const [name, data] of back) heard(name, name === 'contexts' ? { ...data, added } : data);
        if (back.size > 0 && state.view.object !== null) update();
    }
    drawLive();
}

function listenLive() {
    const { service, instance } = state.route.common;
    const params = { window: seconds() };
    if (service !== undefined) params.service = service;
    if (instance !== undefined) params.instance = instance;
    live.open(params);
}

// A browser gives one server six connections for all its tabs; a tab that nobody sees gives its own back, unless it is
// to tell of alerts.
function visibility() {
    clearTimeout(state.hiddenAt);
    if (document.hidden) {
        if (!notify.wanted()) state.hiddenAt = setTimeout(() => live.close(), 10000);
        return;
    }
    listenLive();
    if (!state.paused && state.view !== null && state.view.object !== null) update();
}

// ---- begin -------------------------------------------------------------------------------------------------------

function follow(event) {
    const link = event.target.closest('a[href]');
    if (link === null || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey ||
        event.altKey || link.target !== '') return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !(url.pathname.split('/')[1] in MODULES) || url.hash !== '') return;
    event.preventDefault();
    go(url.pathname + url.search);
}

// The trace that was opened last, or the choice of one.
const lifetimePath = () => state.lifetime ?? '/trace';

function start() {
    try {
        state.lifetime = sessionStorage.getItem('logctx.lifetime');
    } catch { /* no memory, then */ }
    frame.build({
        onWindow: window => go(address(pathOf(here()), here().params, common({ window, to: null }))),
        onPresent: () => go(address(pathOf(here()), here().params, common({ window: null, to: null }))),
        onPause: pause, onTheme: () => window.logctxTheme.toggle(),
    });
    frame.drawPause(false);
    const to = path => () => go(href(path));
    listen({
        '1': to('/now'), '2': to('/contexts'), '3': () => go(href(lifetimePath())), '4': to('/losses'), '5': to('/alerts'), ' ': pause,
        '/': () => {
            if (state.route.view !== 'contexts') go(href('/contexts'));
            memories.get('contexts').set('find', true);
            document.getElementById('q')?.focus();
        },
        t: () => window.logctxTheme.toggle(), '?': () => document.getElementById('keys').togglePopover(),
        Escape: hideTip,
    }, event => state.view !== null && state.view.object !== null && state.view.object.keys !== undefined &&
        state.view.object.keys(event) === true);
    addEventListener('click', follow);
    addEventListener('popstate', enter);
    document.addEventListener('visibilitychange', visibility);
    setInterval(drawHead, 1000);
    enter();
}

start();
