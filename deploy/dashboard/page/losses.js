// SPDX-License-Identifier: Apache-2.0
// The view /losses: transition errors grouped by kind and place, and the chosen group with one example of it, its flight
// recorder, what it means and how it is usually mended.
import { copy, cut, el, icon, name, put, site, svg } from './dom.js';
import { ago, durationText, number, plural, span, when } from './format.js';
import { recorder } from './flight.js';

/** What the two contexts of an error are called, where "expected" and "found" would not say it. */
const ROLES = {
    restarted_finished: ['Finished', 'Restarted'], restarted_active: ['Already running', 'Started again'],
    started_on_different_thread: ['Belongs elsewhere', 'Started here'], stopped_on_different_thread: ['Belongs elsewhere', 'Stopped here'],
    bgproc_reentered: ['Ended', 'Re-entered'], bgproc_exited: ['Ended', 'Ended again'], outlived_parent: ['Child', 'Parent'],
    unfinished_at_exit: ['Unfinished', 'Made current'], nested_from_sentinel: ['Parent', 'Current'],
    threadpool_from_sentinel: ['Parent', 'Current'], already_called: ['Deferred', 'Fired before'],
};
const rolesOf = kind => ROLES[kind] ?? ['Expected', 'Found'];

export function spark(counts) {
    const most = Math.max(4, ...counts.map(count => count ?? 0));
    const step = 180 / Math.max(1, counts.length);
    const columns = counts.map((count, i) => {
        const height = count > 0 ? Math.max(2, 20 * count / most) : 0;
        return height ? `M${(i * step).toFixed(2)} ${(21 - height).toFixed(2)}h${(step * 0.7).toFixed(2)}V21h-${(step * 0.7).toFixed(2)}z` : '';
    });
    return svg('svg', { class: 'spark', viewBox: '0 0 180 22', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        svg('path', { d: 'M0 21.5H180', class: 'ax' }), svg('path', { class: 'col', d: columns.join('') }));
}

const siteText = at => (at ? [at.place, at.function].filter(Boolean).join(' ') : 'unknown place');

/** The loss as plain text, for an issue or a mail. */
export function report(group) {
    const { example, kind } = group;
    const [one, other] = rolesOf(kind).map(role => role.toLowerCase());
    const made = since => (since ? ` (made current at ${siteText(since.site)}, ${durationText(since.ago)} before)` : '');
    const lines = [`${kind}: ${group.title}`, `${number(group.count)} times; the example is of ${new Date(example.time * 1e3).toISOString()}`];
    if (example.expected) lines.push(`${one}: ${example.expected}${made(example.expected_since)}`);
    if (example.found) lines.push(`${other}: ${example.found}${made(example.found_since)}`);
    lines.push(`noticed: ${siteText(example.found_by)}${example.thread ? `, thread ${example.thread}` : ''}`);
    if (example.set_by) lines.push(`set by: ${siteText(example.set_by)}`);
    if (example.trace_id) lines.push(`trace ${example.trace_id} span ${example.span_id}`);
    if (example.switches.length) lines.push('last switches, oldest first:');
    example.switches.forEach((sw, index) => lines.push(sw.text !== undefined ? `  ${sw.text}`
        : `  ${durationText(sw.ago).padStart(9)} ago  ${sw.from ?? '(ended)'} -> ${sw.to ?? '(ended)'}  ${siteText(sw.site)}` +
            (index === example.guilty ? '   <-- most likely guilty' : '')));
    if (example.stack) lines.push('stack:', ...example.stack.split('\n').map(line => `  ${line}`));
    return lines.join('\n');
}

class Losses {
    constructor(root, ctx) {
        this.ctx = ctx;
        this.root = root;
        this.count = el('span.dim', { role: 'status' });
        this.fresh = el('button.btn.small.push', { type: 'button', hidden: true, onclick: () => this.reorder() });
        this.list = el('div.glist', {
            role: 'listbox', tabindex: 0, 'aria-label': 'Groups of transition errors', onkeydown: event => {
                if (!this.key(event)) return;
                event.preventDefault();
                event.stopPropagation();
            },
        });
        this.silent = el('div.silent');
        this.detail = el('div.panel.detail', { role: 'region', 'aria-label': 'Chosen group', tabindex: -1 });
        this.frame = [
            el('h1.sr', 'Transition errors'),
            el('div.panel.groups', { role: 'region', 'aria-label': 'Transition errors by kind and place' },
                el('div.phead', el('h2', 'Transition errors'), this.count, this.fresh), el('div.scroll', this.list, this.silent)),
            this.detail,
        ];
        this.groups = [];
        this.order = [];
        this.observer = new ResizeObserver(() => this.resized());
        this.observer.observe(this.detail);
    }

    unmount() {
        clearTimeout(this.timer);
        this.observer.disconnect();
    }

    async update() {
        const answer = await this.ctx.load('/losses');
        if (answer === null || answer.missing !== undefined) return;
        this.answer = answer;
        this.show();
        await this.loadDetail();
    }

    // Losses come in bursts; the numbers of a burst are worth one look each two seconds.
    live(event) {
        if (event !== 'losses' || this.timer) return;
        this.timer = setTimeout(() => {
            this.timer = 0;
            this.update();
        }, 2000);
    }

    keys(event) {
        return this.answer ? this.key(event) : false;
    }

    get group() {
        return this.ctx.path[1] ?? this.order[0] ?? null;
    }

    // A list does not move under the pointer: counts change in place, new places and a new order wait behind a button.
    show() {
        const { answer } = this;
        if (!this.frame[0].isConnected) put(this.root, this.frame);
        this.groups = answer.groups;
        const known = new Set(answer.groups.map(group => group.group));
        const kept = this.order.filter(id => known.has(id));
        const added = answer.groups.filter(group => !this.order.includes(group.group)).map(group => group.group);
        const now = answer.groups.map(group => group.group);
        const busy = this.frame[1].matches(':hover') || this.list.matches(':focus');
        this.order = busy && this.order.length ? kept : now;
        const changed = this.order.join() !== now.join();
        this.fresh.hidden = !changed;
        this.fresh.textContent = added.length ? `Show ${plural(added.length, 'new place')}` : 'Sort again';
        this.count.textContent = `${number(answer.total)} in ${span(answer.to - answer.from)}, ${plural(answer.places, 'place')}` +
            (answer.shown < answer.places ? `, ${number(answer.shown)} shown` : '');
        this.drawList();
        put(this.silent, this.silentOf());
    }

    reorder() {
        this.order = this.groups.map(group => group.group);
        this.fresh.hidden = true;
        this.drawList();
        this.list.focus();
    }

    drawList() {
        const byId = new Map(this.groups.map(group => [group.group, group]));
        const chosen = this.group;
        put(this.list, this.order.map(id => byId.get(id)).map(group => el('div.group', {
            role: 'option', id: `g${group.group}`, 'aria-selected': String(group.group === chosen),
            onclick: () => this.choose(group.group),
        },
        name(group.kind, 'b.gk'), el('b.gn', number(group.count), el('span.sr', ' times')), el('span.gp', site(group.site)), spark(group.counts),
        el('span.gt.dim', `first ${when(group.first, this.answer.time)}`),
        el('span.gt.dim.r', this.answer.time - group.last < 1.5 ? 'just now' : `last ${ago(this.answer.time - group.last)}`))));
        if (this.order.includes(chosen)) this.list.setAttribute('aria-activedescendant', `g${chosen}`);
        else this.list.removeAttribute('aria-activedescendant');
        this.list.hidden = this.order.length === 0;
        this.list.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    }

    silentOf() {
        const { silent, unseen, store, groups } = this.answer;
        return [
            unseen.length > 0 && [el('h3', 'Counted, but no span tells of them'),
                el('p', unseen.map((entry, i) => [i ? ', ' : '', el('bdi.m', cut(entry.kind, 60)), ` ${number(entry.count)}`])),
                el('p', 'Their contexts were not sampled, or the store has dropped them since.')],
            silent.length > 0 && [el('h3', `${plural(silent.length, 'kind')} at 0${groups.length && store.oldest ? ` since ${when(store.oldest, this.answer.time)}` : ''}`),
                el('p', silent.map((kind, i) => [i ? ', ' : '', el('bdi.m', cut(kind, 60))]))],
        ];
    }

    // By keys the address changes without a step of the history for each row that is passed.
    choose(id, passing = false) {
        const path = `/losses/${encodeURIComponent(id)}`;
        if (!passing) return this.ctx.go(path);
        history.replaceState(null, '', this.ctx.href(path));
        return dispatchEvent(new PopStateEvent('popstate'));
    }

    key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return false;
        const steps = { ArrowDown: 1, j: 1, J: 1, ArrowUp: -1, k: -1, K: -1, Home: -Infinity, End: Infinity };
        if (event.key === 'Enter') this.detail.focus();
        else if (event.key in steps && this.order.length) {
            const at = this.order.indexOf(this.group) + steps[event.key];
            this.choose(this.order[Math.max(0, Math.min(this.order.length - 1, at))], true);
        } else return false;
        return true;
    }

    async loadDetail() {
        const id = this.group;
        if (!id) {
            this.drawn = null;
            put(this.detail, this.nothing());
            return;
        }
        const group = await this.ctx.load(`/losses/${encodeURIComponent(id)}`);
        if (group === null || id !== this.group) return;
        if (group.missing !== undefined) {
            this.drawn = null;
            put(this.detail, el('div.blank', el('h2', 'This group is not here'), el('p', group.missing)));
            return;
        }
        this.ctx.title(`${group.kind} at ${siteText(group.site)}`);
        this.drawDetail(group);
    }

    nothing() {
        const { store, time, unseen } = this.answer;
        const since = store.oldest ? ` since ${when(store.oldest, time)}` : '';
        return el('div.blank', el('h2', unseen.length ? 'No span tells of a transition error' : `No transition error${since}`),
            el('p', 'When a context is lost, leaked or restarted, its kind and place come here, with the switches that led to it. ' +
                'The kinds that are watched for are at the left.'));
    }

    // The same example again changes only figures: what the person reads or has selected stays as it is.
    drawDetail(group) {
        this.shown = group;
        if (this.drawn === `${group.group}/${group.example.id}`) {
            put(this.figures, this.figuresOf(group));
            return;
        }
        const other = !this.drawn?.startsWith(`${group.group}/`);
        this.drawn = `${group.group}/${group.example.id}`;
        const { example } = group;
        this.figures = el('p', this.figuresOf(group));
        this.rec = el('section.rec', el('h3', 'Flight recorder', el('span.dim',
            `, last ${plural(example.switches.length, 'switch', 'switches')}${example.thread ? ` of thread ${cut(example.thread, 24)}` : ''}`)));
        put(this.detail,
            el('div.dhead',
                el('div.dt', icon('error', 'ico err'), el('h2', el('bdi', cut(group.title)))),
                el('div.dsub', this.figures,
                    example.trace_id && el('a.btn.small', { href: this.ctx.href(`/trace/${example.trace_id}`, { span: example.span_id }) },
                        'Open', name(example.context ?? 'the lifetime')),
                    el('button.btn.small', { type: 'button', onclick: event => copy(report(this.shown), event.currentTarget) }, 'Copy as text'))),
            this.sidesOf(group), this.rec, this.whyOf(group));
        this.lanesWidth = 0;
        this.resized();
        if (other) this.detail.scrollTop = 0;
    }

    // The lanes take what the text beside them leaves.
    resized() {
        if (!this.drawn || !this.rec?.isConnected) return;
        const { example, kind } = this.shown;
        const beside = this.detail.clientWidth < 900 ? 400 : 480;
        const width = Math.max(160, Math.min(420, this.detail.clientWidth - 32 - beside));
        if (width === this.lanesWidth) return;
        this.lanesWidth = width;
        this.rec.querySelector('.flight, .quiet')?.remove();
        this.rec.append(example.switches.length ? recorder(example, rolesOf(kind), width)
            : el('p.quiet', 'The error came without the switches that led to it.'));
    }

    figuresOf(group) {
        const { from, to } = this.answer;
        return [el('b', number(group.count)), ` in ${span(to - from)}, ${group.last_minute ? number(group.last_minute) : 'none'} in the last minute`,
            group.kinds.length > 0 && [el('span.sep', '·'), 'hits ', group.kinds.slice(0, 4).map((entry, i) =>
                [i ? ', ' : '', name(entry.kind, 'b'), ` (${number(entry.count)})`]),
            group.kinds.length > 4 && ` and ${number(group.kinds.length - 4)} more`]];
    }

    sidesOf(group) {
        const { example, kind } = group;
        const roles = rolesOf(kind);
        const side = (cls, role, what, since, verb = 'made current at') => el(`div.side.${cls}`, el('h3', role),
            name(what ?? null, 'b.nm'),
            since?.site && el('div.where', el('span.u', `${verb} `), site(since.site)),
            since?.ago != null && el('div.where', durationText(since.ago), el('span.u', ' before')));
        const found = example.found ?? (example.found_since ? example.expected : null);
        return el('div.sides',
            side('exp', roles[0], example.expected, example.expected_since),
            side('fnd', roles[1], found, example.found_since ?? (example.set_by && { site: example.set_by }), example.found_since ? undefined : 'set by'),
            el('div.side.ntc', el('h3', 'Noticed'), name(example.found_by?.place ?? null, 'b.m.nm'),
                example.found_by?.function && el('div.where', el('span.u', 'in '), name(example.found_by.function, 'bdi.m')),
                el('div.where', example.thread && [el('span.u', 'thread '), cut(example.thread, 24), ' '],
                    el('span.u', `at ${when(example.time, this.answer.time)}`)),
                example.affected && el('div.where', el('span.u', 'concerns '), name(example.affected))));
    }

    whyOf(group) {
        const why = group.explanation;
        const { stack } = group.example;
        return el('section.why',
            why && el('div', el('h3', 'What it means'), el('p', why.means), el('h3', 'Usual cause'), el('p', why.cause)),
            why && el('div', el('h3', 'Usual fix'), el('p', why.fix),
                why.example?.length > 0 && [el('div.codehead', 'Example', el('span.push.m', why.anchor)),
                    el('pre.code', { tabindex: 0, 'aria-label': 'Example' }, why.example.map(line =>
                        el('span.cl' + (line.mark === '-' ? '.del' : line.mark === '+' ? '.add' : ''), el('i', line.mark), line.text.match(/^ */)[0], el('span', line.text.trimStart()), '\n')))]),
            stack && el('details.stack', el('summary', 'Stack trace'), el('pre.code', { tabindex: 0, 'aria-label': 'Stack trace' }, cut(stack, 20000))));
    }
}

export function mount(root, ctx) {
    root.classList.add('twopane');
    return new Losses(root, ctx);
}
