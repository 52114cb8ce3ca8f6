// SPDX-License-Identifier: Apache-2.0
// Numbers and times as text. Everything comes in as the server sends it: seconds, Unix seconds, fractions, bytes.
// Nothing here knows an element.

const formats = new Map();

export const NONE = '–'; // there is no value; 0 is a value

export function number(value, digits = 0) {
    if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
    if (!formats.has(digits)) formats.set(digits, new Intl.NumberFormat('en-US',
        { minimumFractionDigits: digits, maximumFractionDigits: digits }));
    return formats.get(digits).format(value);
}

// Three significant figures, for a rate or an amount whose size is not known before.
export function amount(value) {
    if (value === null || value === undefined) return NONE;
    const size = Math.abs(value);
    if (size === 0) return '0';
    if (size < 0.0005) return '<0.001';
    return number(value, size >= 99.5 ? 0 : size >= 9.95 ? 1 : size >= 0.0995 ? 2 : 3);
}

export function compact(count) {
    if (count < 1000) return number(count);
    if (count < 99950) return number(count / 1e3, 1) + 'k';
    if (count < 999500) return number(count / 1e3) + 'k';
    return number(count / 1e6, 1) + 'M';
}

// A column in milliseconds: the unit stands in its head.
export function ms(seconds, digits = 1) {
    if (seconds === null || seconds === undefined) return NONE;
    const value = seconds * 1e3;
    if (value === 0) return '0';
    if (value > 0 && value < 0.0005) return '<0.001';
    return number(value, value >= 1000 ? 0 : value >= 1 ? digits : Math.max(digits, value >= 0.00995 ? 2 : 3));
}

// [figure, unit], for where a value stands alone.
export function duration(seconds) {
    if (seconds === null || seconds === undefined) return [NONE, ''];
    const value = Math.abs(seconds) * 1e3;
    if (value === 0) return ['0', 'ms'];
    if (value < 0.00995) return [number(seconds * 1e6, value < 0.00095 ? 2 : 1), 'µs'];
    if (value < 9.995) return [number(seconds * 1e3, 2), 'ms'];
    if (value < 999.5) return [number(seconds * 1e3, 1), 'ms'];
    if (value < 60e3) return [number(seconds, 2), 's'];
    return [age(seconds), ''];
}

export function durationText(seconds) {
    return duration(seconds).join(' ').trim();
}

// How long something lasts or is away, coarser the longer it is: 118 ms, 1.40 s, 6 m 52 s, 3 h 05 m, 2 d 4 h
export function age(seconds) {
    if (seconds === null || seconds === undefined) return NONE;
    if (seconds < 0.0995) return duration(seconds).join(' ');
    if (seconds < 0.9995) return number(seconds * 1e3) + ' ms';
    if (seconds < 59.995) return number(seconds, 2) + ' s';
    const whole = Math.floor(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor(whole / 60) % 60)} m`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

// A span of time in words: 45 s, 15 min, 1 h, 3 d
export function span(seconds) {
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} d`;
}

export function ago(seconds) {
    return seconds < 1.5 ? 'just now' : span(seconds) + ' ago';
}

function pad(value) {
    return String(value).padStart(2, '0');
}

// 14:32:07, or 14:32:07.420; UTC, as the footer says.
export function clock(unix, withMs = false) {
    if (unix === null || unix === undefined) return NONE;
    return iso(unix).slice(11, withMs ? 23 : 19);
}

export function minute(unix) {
    return iso(unix).slice(11, 16);
}

// With the date if it is not today's.
export function when(unix, now) {
    if (unix === null || unix === undefined) return NONE;
    const text = iso(unix);
    return text.slice(0, 10) === iso(now).slice(0, 10) ? text.slice(11, 19) : `${text.slice(0, 10)} ${text.slice(11, 16)}`;
}

export function iso(unix) {
    const date = new Date(unix * 1e3);
    return Number.isNaN(date.getTime()) ? '0000-00-00T00:00:00.000Z' : date.toISOString();
}

export function megabytes(bytes) {
    const value = bytes / 1048576;
    return number(value, value < 10 ? 1 : 0);
}

export function percent(share) {
    return share === null || share === undefined ? NONE : number(share * 100, Math.abs(share) < 0.0995 ? 1 : 0);
}

export function plural(count, one, many = one + 's') {
    return `${number(count)} ${count === 1 ? one : many}`;
}

// What the states of a context are called, everywhere on the page, in their fixed order.
export const STATE = {
    run: 'running', child: 'in a child', txn: 'in transaction', pool: 'waiting for connection', ready: 'ready, not run',
    idle: 'idle', lost: 'lost', error: 'transition error', new: 'not current yet', held: 'ended, still held',
};

// In-flight lists say `running`, segments say `run`.
export function stateOf(text) {
    return text === 'running' ? 'run' : text in STATE ? text : 'idle';
}

// The top of an axis: the least round number above, of which half is round too.
export function roundTop(most) {
    if (!(most > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(most));
    const steps = power < 10 && power >= 1 ? [1, 2, 4, 6, 8, 10] : [1, 2, 3, 4, 6, 8, 10];
    const step = steps.find(x => x * power >= most * 1.06);
    return step === undefined ? 20 * power : step * power;
}

// As many digits as a round value needs to be written whole.
export function digitsOf(value) {
    let digits = 0;
    while (digits < 5 && Math.abs(value * 10 ** digits - Math.round(value * 10 ** digits)) > 1e-6) digits++;
    return digits;
}
