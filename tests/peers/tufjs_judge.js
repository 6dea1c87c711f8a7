// tuf-js judges our repositories, and our client reads those of its makers. Run with NODE_PATH where they are installed.
'use strict';
const assert = require('assert');
const { execFile, execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const { Updater } = require('tuf-js');
const models = require('@tufjs/models');
// These two are not among what the package hands out.
const inside = path.dirname(require.resolve('@tufjs/models'));
const { DelegatedRole } = require(path.join(inside, 'role.js'));
const { Delegations } = require(path.join(inside, 'delegations.js'));

const [tool, uni] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'uni-tufjs-'));

function serve(folder) {
	const server = http.createServer((request, response) => {
		const file = path.join(folder, decodeURIComponent(request.url));
		if (!fs.existsSync(file))
			return response.writeHead(404).end();
		response.end(fs.readFileSync(file));
	});
	return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function sha256(text) {
	return crypto.createHash('sha256').update(text).digest('hex');
}

async function theirClient(base, root, name) {
	const metadataDir = path.join(work, name);
	fs.mkdirSync(metadataDir);
	fs.copyFileSync(root, path.join(metadataDir, 'root.json'));
	const updater = new Updater({ metadataDir, metadataBaseUrl: base, targetDir: work, targetBaseUrl: base,
				      config: { fetchRetry: 0 } });
	await updater.refresh();
	return updater;
}

async function oursReadByThem() {
	const folder = path.join(work, 'ours');
	execFileSync(tool, ['make', folder, String(now)]);
	const server = await serve(folder);
	const base = `http://127.0.0.1:${server.address().port}`;
	const root = path.join(folder, '1.root.json');
	const updater = await theirClient(base, root, 'state');
	for (let i = 0; i < 40; i++) {
		// They reject what their path matching cannot take; ours go by the hash of the path.
		const name = `packages/${i % 4 === 0 ? 'web' : 'p'}${i} "\\ü.json`;
		const info = await updater.getTargetInfo(name);
		assert(info, name);
		assert.strictEqual(info.length, Buffer.byteLength(name));
		assert.strictEqual(info.hashes.sha256, sha256(name));
	}
	assert.strictEqual(await updater.getTargetInfo('packages/none'), undefined);
	// And what was changed by a hand is refused by them as by us.
	const stamp = path.join(folder, 'timestamp.json');
	fs.writeFileSync(stamp, fs.readFileSync(stamp, 'utf8').replace(/"version": ?(\d+)/, '"version":9$1'));
	await assert.rejects(theirClient(base, root, 'state2'));
	server.close();
	console.log('tuf-js reads ours: ok');
}

function look(folder, state, name) {
	return new Promise((resolve) => execFile(tool, ['find', path.join(folder, '1.root.json'), folder, state, String(now), name],
		(error, out, complaint) => resolve(error ? complaint.trim() : out.trim())));
}

// A repository of their classes: Ed25519, consistent snapshots, a delegation.
class Theirs {
	constructor() {
		const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519');
		const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
		this.private = privateKey;
		this.key = new models.Key({ keyID: sha256(raw), keyType: 'ed25519', scheme: 'ed25519', keyVal: { public: raw } });
	}

	write(folder, name, signed) {
		const meta = new models.Metadata(signed);
		meta.sign((data) => new models.Signature({ keyID: this.key.keyID,
							   sig: crypto.sign(null, data, this.private).toString('hex') }));
		const text = JSON.stringify(meta.toJSON());
		fs.writeFileSync(path.join(folder, name), text);
		return new models.MetaFile({ version: signed.version, length: Buffer.byteLength(text), hashes: { sha256: sha256(text) } });
	}

	save(folder, files) {
		const common = { version: 1, specVersion: '1.0.0', expires: new Date((now + 86400) * 1000).toISOString() };
		const root = new models.Root({ ...common, consistentSnapshot: true });
		for (const role of ['root', 'timestamp', 'snapshot', 'targets'])
			root.addKey(this.key, role);
		const web = new models.Targets(common), targets = new models.Targets({ ...common,
			delegations: new Delegations({ keys: { [this.key.keyID]: this.key }, roles: {
				web: new DelegatedRole({ name: 'web', keyIDs: [this.key.keyID], threshold: 1, terminating: true,
								paths: ['web/*'] }) } }) });
		for (const [name, content] of Object.entries(files))
			(name.startsWith('web/') ? web : targets).addTarget(new models.TargetFile({
				path: name, length: Buffer.byteLength(content), hashes: { sha256: sha256(content) } }));
		fs.mkdirSync(folder, { recursive: true });
		this.write(folder, '1.root.json', root);
		const meta = { 'targets.json': this.write(folder, '1.targets.json', targets),
			       'web.json': this.write(folder, '1.web.json', web) };
		const snapshotMeta = this.write(folder, '1.snapshot.json', new models.Snapshot({ ...common, meta }));
		this.write(folder, 'timestamp.json', new models.Timestamp({ ...common, snapshotMeta }));
	}
}

async function theirsReadByUs() {
	const folder = path.join(work, 'theirs'), other = path.join(work, 'other'), state = path.join(work, 'our-state');
	const content = 'what they vouch for: ü\n';
	const expected = (role) => `${Buffer.byteLength(content)} sha256:${sha256(content)} ${role}`;
	new Theirs().save(folder, { 'web/a.json': content, top: content });
	assert.strictEqual(await look(folder, state, 'web/a.json'), expected('web'));
	assert.strictEqual(await look(folder, state, 'top'), expected('targets'));
	assert.match(await look(folder, state, 'web/none'), /nobody vouches/);
	new Theirs().save(other, { 'web/a.json': 'evil' });
	for (const [name, why] of [['1.web.json', /not the file/], ['1.targets.json', /not the file/],
				   ['1.snapshot.json', /not the file/], ['timestamp.json', /signed by 0/]]) {
		fs.copyFileSync(path.join(other, name), path.join(folder, name));
		assert.match(await look(folder, path.join(work, `state-of-${name}`), 'web/a.json'), why);
	}
	console.log("ours reads tuf-js's: ok");
}

// An owner changes every key of an index; their client, which has seen what was before, follows.
async function oursThroughItsKeys() {
	const folder = path.join(work, 'owner');
	const env = { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder, UNI_CACHE: folder + '/store',
		      UNI_INDEX: folder + '/none' };
	const run = (line) => execFileSync(uni, line.split(' '), { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
	fs.mkdirSync(path.join(folder, 'src'), { recursive: true });
	fs.writeFileSync(path.join(folder, 'src/page'), 'x');
	fs.writeFileSync(path.join(folder, 'src/package.toml'),
			 '[package]\nname = "web"\nversion = "1.0.0"\nkind = "volume"\narch = "any"\n[[files]]\nsource = "page"\n');
	for (const line of ['pack src', 'key new one --no-passphrase', 'key new two --no-passphrase', 'key new three --no-passphrase',
			    'index create pub -k one', 'publish web-1.0.0-any.unipkg --to pub -k one'])
		run(line);
	const server = await serve(path.join(folder, 'pub/metadata'));
	const base = `http://127.0.0.1:${server.address().port}`;
	const metadataDir = path.join(work, 'owner-state');
	fs.mkdirSync(metadataDir);
	fs.copyFileSync(path.join(folder, 'pub/metadata/1.root.json'), path.join(metadataDir, 'root.json'));
	for (const line of ['publish --to pub -k one', 'key rotate one two --index pub -k one -k two', 'publish --to pub -k two',
			    'key rotate two three --index pub -k two -k three', 'publish --to pub -k three']) {
		run(line);
		const updater = new Updater({ metadataDir, metadataBaseUrl: base, targetDir: work, targetBaseUrl: base,
					      config: { fetchRetry: 0 } });
		await updater.refresh();
		assert(await updater.getTargetInfo('packages/web.json'), line);
	}
	server.close();
	console.log('tuf-js follows an index through its keys: ok');
}

oursReadByThem().then(theirsReadByUs).then(oursThroughItsKeys).finally(() => fs.rmSync(work, { recursive: true })).catch((error) => {
	console.error(error);
	process.exitCode = 1;
});
