// The dashboards against Grafana's own definitions: each one is a value of the type Dashboard, the options of each panel are
// of its panel's type, and what is asked of Tempo is TraceQL by Grafana's grammar. A twin of each shows that it is refused
// when it is not. Run by grafana.sh, in a folder where the packages are.
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { parser } from '@grafana/lezer-traceql';

const folder = process.argv[2];
const TYPES = '@grafana/schema/dist/types/raw/composable';
const PANELS = {
    stat: 'stat', timeseries: 'timeseries', table: 'table', heatmap: 'heatmap', 'state-timeline': 'statetimeline',
};

// Grafana writes these itself into what it saves, and has them not in its types.
const UNTYPED = new Set(['definition']);

// An enumeration of texts stands for the texts in JSON.
const PRELUDE = `
import type { Dashboard } from '@grafana/schema/dist/types/index';
type Loose<T> = unknown extends T ? T : T extends string ? \`\${T}\` : T extends (infer E)[] ? Loose<E>[]
    : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;
`;

function panelsOf(model) {
    return model.panels.flatMap((panel) => (panel.type === 'row' ? panel.panels : [panel]));
}

// One line for each value, so that a diagnosis leads back to it. What an option or a field setting does not say is a default.
function sourceOf(model) {
    const lines = Object.entries(PANELS).flatMap(([kind, name], index) => [
        `import type { Options as Options${index} } from '${TYPES}/${name}/panelcfg/x/types.gen';`,
        ...(kind === 'stat' ? [] : [`import type { FieldConfig as Custom${index} } from '${TYPES}/${name}/panelcfg/x/types.gen';`]),
    ]);
    const places = new Map();
    const add = (place, text) => {
        lines.push(text);
        places.set(lines.length + PRELUDE.split('\n').length - 1, place);
    };
    add('the dashboard', `export const dashboard: Loose<Dashboard> = ${typed(model)};`);
    panelsOf(model).forEach((panel, number) => {
        const index = Object.keys(PANELS).indexOf(panel.type);
        if (index < 0)
            throw new Error(`no types are known for panels of the kind ${panel.type}`);
        add(`'${panel.title}', options`, `export const options${number}: Partial<Loose<Options${index}>> = ${typed(panel.options)};`);
        const custom = panel.fieldConfig.defaults.custom;
        if (custom)
            add(`'${panel.title}', custom`, `export const custom${number}: Partial<Loose<Custom${index}>> = ${typed(custom)};`);
    });
    return [PRELUDE + lines.join('\n') + '\n', places];
}

function typed(value) {
    return JSON.stringify(value, (key, each) => (UNTYPED.has(key) ? undefined : each));
}

// What the compiler says about dashboards, by name: [[name, model]].
function typeErrors(models) {
    const options = {
        noEmit: true, strict: true, skipLibCheck: true, types: [], moduleResolution: ts.ModuleResolutionKind.Node10,
        module: ts.ModuleKind.ES2020, target: ts.ScriptTarget.ES2020, ignoreDeprecations: '5.0',
    };
    const host = ts.createCompilerHost(options);
    const made = new Map(models.map(([name, model]) => [path.resolve(`${name}.ts`), [name, ...sourceOf(model)]]));
    const read = host.getSourceFile.bind(host);
    const exists = host.fileExists.bind(host);
    host.fileExists = (file) => made.has(path.resolve(file)) || exists(file);
    host.getSourceFile = (file, ...rest) => made.has(path.resolve(file))
        ? ts.createSourceFile(file, made.get(path.resolve(file))[1], ...rest) : read(file, ...rest);
    const program = ts.createProgram([...made.keys()], options, host);
    return ts.getPreEmitDiagnostics(program).map((found) => {
        const text = ts.flattenDiagnosticMessageText(found.messageText, ' ').slice(0, 400);
        if (!found.file || !made.has(path.resolve(found.file.fileName)))
            return text;
        const [name, , places] = made.get(path.resolve(found.file.fileName));
        const line = found.file.getLineAndCharacterOfPosition(found.start).line + 1;
        const near = found.file.text.slice(found.start, found.start + 60).split('\n')[0];
        return `${name}: ${places.get(line) ?? `line ${line}`}, at ${near}: ${text}`;
    });
}

function traceqlErrors(models) {
    const found = [];
    for (const [name, model] of models)
        for (const panel of panelsOf(model))
            for (const target of panel.targets.filter((each) => each.queryType === 'traceql'))
                if (!isTraceql(target.query))
                    found.push(`${name}: '${panel.title}' is no TraceQL: ${target.query}`);
    return found;
}

function isTraceql(text) {
    let good = true;
    parser.parse(text).iterate({ enter: (node) => { good &&= !node.type.isError; } });
    return good;
}

function spoilt(model, spoil) {
    const copy = structuredClone(model);
    spoil(copy);
    return copy;
}

// Dashboards that break a rule each. They are compiled together with ours, since starting the compiler is what takes time.
function twins(model) {
    return [
        ['a property', spoilt(model, (copy) => { copy.panels[1].fieldConfig.defaults.colour = { mode: 'fixed' }; })],
        ['a value', spoilt(model, (copy) => { copy.panels[1].fieldConfig.defaults.thresholds.mode = 'relative'; })],
        ['an option', spoilt(model, (copy) => { copy.panels[1].options.graphMode = 'pie'; })],
        ['a type', spoilt(model, (copy) => { copy.refresh = 30; })],
    ];
}

const models = fs.readdirSync(folder).filter((name) => name.endsWith('.json')).sort()
    .map((name) => [name, JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'))]);
if (models.length !== 3)
    throw new Error(`${models.length} dashboards were found in ${folder}`);
const wrong = twins(models[0][1]);
const found = typeErrors([...models, ...wrong]);
for (const [what] of wrong)
    if (!found.some((error) => error.startsWith(`${what}:`)))
        throw new Error(`a dashboard that has ${what} wrong is not refused`);
if (isTraceql('{ span.a = }') || !isTraceql('{ span.a = 1 }'))
    throw new Error('what is no TraceQL is not refused');
const errors = [...found.filter((error) => !wrong.some(([what]) => error.startsWith(`${what}:`))), ...traceqlErrors(models)];
errors.forEach((error) => console.log(error));
console.log(`${models.length} dashboards, ${errors.length} problems`);
process.exit(errors.length ? 1 : 0);
