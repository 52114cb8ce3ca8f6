// SPDX-License-Identifier: Apache-2.0
// The programs that the tests of the page are about, as they are shipped: the dashboard and the demo, each on a port that
// the kernel chooses, stopped by its process id. Everything waits for a condition, never for a time.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATIENCE = 60000; // ms until a condition that does not come true is a failure; nothing is measured by it

const binary = name => {
    const path = process.env[name];
    if (!path) throw new Error(`${name} has to name the program; CMake sets it.`);
    return path;
};

/** Asks again until the answer is not null, false or undefined. `what` is the sentence of the failure. */
export async function until(what, ask, patience = PATIENCE) {
    const end = Date.now() + patience;
    let last;
    for (;;) {
        try {
            const answer = await ask();
            if (answer !== null && answer !== undefined && answer !== false) return answer;
            last = answer;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) throw new Error(`It did not happen: ${what} (last: ${last?.message ?? last}).`);
        await new Promise(resolve => setTimeout(resolve, 25));
    }
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(1));

class Program {
    constructor(name, path, args, env = {}) {
        this.name = name;
        this.folder = mkdtempSync(join(tmpdir(), `logctx-page-${name}-`));
        this.said = '';
        this.process = spawn(path, args(this.folder), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
        this.ended = new Promise(resolve => this.process.on('close', code => resolve(code)));
        for (const stream of [this.process.stdout, this.process.stderr])
            stream.on('data', data => { this.said = (this.said + data).slice(-20000); });
        // A test that fails before it stops its program neither hangs for it nor leaves it running.
        for (const handle of [this.process, this.process.stdout, this.process.stderr]) handle.unref();
        process.on('exit', () => this.process.kill('SIGKILL'));
    }

    async port() {
        const file = join(this.folder, 'port');
        return until(`${this.name} listens; it said: ${this.said}`, () => {
            if (this.process.exitCode !== null) throw new Error(`${this.name} has ended: ${this.said}`);
            return Number(readFileSync(file, 'utf8')) || null;
        });
    }

    async stop() {
        this.process.ref();
        if (this.process.exitCode === null) this.process.kill('SIGTERM');
        const code = await this.ended;
        return code;
    }

    clean() {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

export class Dashboard {
    static async start(more = []) {
        const self = new Dashboard();
        self.program = new Program('dashboard', binary('LOGCTX_DASHBOARD'), folder =>
            ['--listen', '127.0.0.1:0', '--db', join(folder, 'store.db'), '--port-file', join(folder, 'port'), ...more]);
        self.url = `http://127.0.0.1:${await self.program.port()}`;
        return self;
    }

    /** The JSON of a view. */
    async json(path, params = {}) {
        const query = new URLSearchParams(params).toString();
        const response = await fetch(`${this.url}${path}${query ? `?${query}` : ''}`, { headers: { Accept: 'application/json' } });
        const body = await response.json();
        if (!response.ok) throw Object.assign(new Error(`${path}: ${response.status} ${body.error}`), { status: response.status });
        return body;
    }

    /** Waits until that many contexts are in the store. */
    async holds(contexts) {
        return until(`${contexts} contexts are in the store`, async () => {
            const { store } = await this.json('/contexts', { limit: 1 });
            if (store.contexts > contexts) throw new Error(`there are ${store.contexts}`);
            return store.contexts === contexts;
        });
    }

    async stop() {
        const code = await this.program.stop();
        this.program.clean();
        if (code !== 0) throw new Error(`The dashboard ended with ${code}: ${this.program.said}`);
    }
}

export class Demo {
    static async start(dashboard) {
        const self = new Demo();
        const own = Object.fromEntries(Object.keys(process.env).filter(name => name.startsWith('OTEL_')).map(name => [name, undefined]));
        self.program = new Program('demo', binary('LOGCTX_DEMO'), folder =>
            ['--port', '0', '--port-file', join(folder, 'port'), '--stats-file', join(folder, 'stats.json')],
        { ...own, OTEL_EXPORTER_OTLP_ENDPOINT: dashboard.url, OTEL_BSP_SCHEDULE_DELAY: '200', OTEL_METRIC_EXPORT_INTERVAL: '1000' });
        self.url = `http://127.0.0.1:${await self.program.port()}`;
        return self;
    }

    async request(path, options) {
        const response = await fetch(this.url + path, options);
        await response.arrayBuffer();
        return response.status;
    }

    /** Stops it, and gives its account: what it did, as it counted itself. */
    async stop() {
        const code = await this.program.stop();
        if (code !== 0) throw new Error(`The demo ended with ${code}: ${this.program.said}`);
        const account = JSON.parse(readFileSync(join(this.program.folder, 'stats.json'), 'utf8'));
        this.program.clean();
        return account;
    }
}
