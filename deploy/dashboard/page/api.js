// SPDX-License-Identifier: Apache-2.0
// What the page asks of the server: JSON of a view, once, and the stream of /live, which comes back by itself. This file
// knows the wire and the clock, and no element.

const SILENCE = 7000; // ms: the stream speaks each second; after this long without a word it is gone
const RETRY = 2000;
const RETRY_MOST = 10000;

export class Refused extends Error {
    constructor(status, sentence) {
        super(sentence);
        this.status = status;
    }
}

// The answer as an object. Throws Refused if the server says no, TypeError if there is no server, AbortError.
export async function get(path, params, signal) {
    const query = new URLSearchParams(params).toString();
    const response = await fetch(query === '' ? path : `${path}?${query}`,
        { headers: { Accept: 'application/json' }, signal, cache: 'no-store', redirect: 'error' });
    if (response.ok) return response.json();
    let sentence = `The server answered ${response.status}.`;
    try {
        const told = (await response.json()).error;
        if (typeof told === 'string') sentence = told;
    } catch (error) {
        if (error.name === 'AbortError') throw error; // and otherwise the status has to do
    }
    throw new Refused(response.status, sentence);
}

// The stream. `heard(name, data)` for each event; `changed()` when `state` did: closed, connecting, live or away.
export class Live {
    constructor(heard, changed) {
        this.heard = heard;
        this.changed = changed;
        this.state = 'closed';
        this.last = performance.now(); // when it last spoke
        this.wait = RETRY;
        this.params = null;
        this.source = null;
        this.timer = 0;
    }

    open(params) {
        const query = new URLSearchParams(params).toString();
        if (this.source !== null && this.query === query) return;
        this.stop();
        this.query = query;
        this.last = performance.now();
        this.turn(this.state === 'away' ? 'away' : 'connecting');
        this.connect();
    }

    close() {
        this.stop();
        this.turn('closed');
    }

    // Seconds since it last spoke.
    silentFor() {
        return (performance.now() - this.last) / 1e3;
    }

    stop() {
        clearTimeout(this.timer);
        if (this.source !== null) this.source.close();
        this.source = null;
    }

    turn(state) {
        if (state === this.state) return;
        this.state = state;
        this.changed(state);
    }

    connect() {
        const source = new EventSource(this.query === '' ? '/live' : `/live?${this.query}`);
        this.source = source;
        for (const name of ['now', 'contexts', 'losses', 'alerts']) {
            source.addEventListener(name, event => {
                if (source === this.source) this.take(name, event.data);
            });
        }
        source.onerror = () => {
            if (source === this.source) this.lose();
        };
        this.watch();
    }

    take(name, text) {
        let data;
        try {
            data = JSON.parse(text);
        } catch {
            return; // cut short with the connection
        }
        this.last = performance.now();
        this.wait = RETRY;
        this.watch();
        this.turn('live');
        this.heard(name, data);
    }

    // A connection that is open and says nothing (the machine slept, the server hangs) is as good as none.
    watch() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.lose(), SILENCE);
    }

    lose() {
        this.stop();
        this.turn('away');
        this.timer = setTimeout(() => this.connect(), this.wait);
        this.wait = Math.min(RETRY_MOST, this.wait * 1.5);
    }
}
