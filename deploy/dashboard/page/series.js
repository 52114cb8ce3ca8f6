// SPDX-License-Identifier: Apache-2.0
// The arithmetic of values over time: sums of steps, stacks, and how what comes live is laid over what is there. A value
// is a number, or null where nothing is known: that is never taken for 0. No element is made here.

// The biggest on top, each painted over the sum of it and all below.
export function stacked(columns) {
    const out = columns.map(() => []);
    for (let i = 0; i < columns[0].length; i++) {
        const known = columns.some(column => column[i] !== null);
        let rest = known ? columns.reduce((sum, column) => sum + (column[i] ?? 0), 0) : null;
        for (let j = 0; j < columns.length; j++) {
            out[j].push(rest);
            if (known) rest -= columns[j][i] ?? 0;
        }
    }
    return out;
}

// Counts of steps as sums over stretches that stick to the clock, at most about 60 of them.
export function summed(times, values, [from, to]) {
    const step = times.length > 1 ? times[1] - times[0] : 1;
    const width = Math.max(1, Math.ceil((to - from) / 60 / step)) * step;
    const starts = [];
    const sums = [];
    for (let i = 0; i < times.length; i++) {
        const start = Math.floor((times[i] - step) / width) * width;
        if (starts.length === 0 || starts[starts.length - 1] !== start) {
            starts.push(start);
            sums.push(null);
        }
        if (values[i] !== null) sums[sums.length - 1] = (sums[sums.length - 1] ?? 0) + values[i];
    }
    return [starts, sums];
}

// The step of a time: the one that it lies in.
export function stepAt(data, time) {
    const i = Math.ceil((time - data.times[0]) / data.step);
    return data.times.length === 0 ? null : Math.max(0, Math.min(data.times.length - 1, i));
}

// Lays what came after over what is there: `values` of the last steps replace or follow those of the same times. False
// if the two do not fit (another step, another set of kinds): then all has to be asked for.
export function merge(data, news) {
    if (news.step !== data.step || news.service !== data.service || news.instance !== data.instance) return false;
    const kinds = answer => answer.tiles.cpu.kinds.map(x => x.kind).join('\n');
    if (kinds(data) !== kinds(news)) return false;
    const times = data.times.concat(news.times.filter(t => data.times.length === 0 || t > data.times[data.times.length - 1]));
    const where = news.times.map(t => times.indexOf(t));
    if (where.includes(-1)) return false;
    const gone = times.findIndex(t => t > news.from);
    news.tiles = overlay(data.tiles, news.tiles, { length: times.length, where, gone: Math.max(0, gone) });
    news.times = times.slice(Math.max(0, gone));
    return true;
}

function overlay(old, fresh, place) {
    const out = {};
    for (const [key, value] of Object.entries(fresh)) {
        if (key === 'values') out[key] = joined(old?.values ?? [], value, place);
        else if (key === 'kinds' && value.length > 0 && value[0].values) out[key] = value.map((x, i) => overlay(old.kinds[i], x, place));
        else if (value !== null && typeof value === 'object' && !Array.isArray(value)) out[key] = overlay(old?.[key], value, place);
        else out[key] = value;
    }
    // what the news tell of the last steps only
    if (old && fresh.before !== undefined && old.before !== undefined) out.before = old.before;
    return out;
}

function joined(old, fresh, { length, where, gone }) {
    const all = old.slice();
    while (all.length < length) all.push(null);
    where.forEach((index, i) => { all[index] = fresh[i]; });
    return all.slice(gone);
}
