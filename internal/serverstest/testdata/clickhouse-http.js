'use strict';
// ClickHouse's HTTP interface (https://clickhouse.com/docs/interfaces/http) in front of the engine as a
// library, as far as clients that write metrics and tests that read them need it:
//
//	node clickhouse-http.js ENGINE PORT FOLDER
//
// ENGINE is the folder of the npm package. The environment variable CLICKHOUSE_USERS is a JSON object of
// passwords by user. What is not implemented is refused, not ignored.

const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const zlib = require('zlib');

const [enginePath, port, folder] = process.argv.slice(2);
const users = new Map(Object.entries(JSON.parse(process.env.CLICKHOUSE_USERS)));
const engine = require(enginePath);
const session = engine.CreateConnection(folder);

// Parameters of a request that are no settings of its query.
const notSettings = new Set([
  'query', 'database', 'default_format', 'user', 'password', 'query_id', 'session_id', 'session_timeout',
  'session_check', 'wait_end_of_query', 'buffer_size', 'client_protocol_version', 'quota_key', 'role',
  'compress', 'decompress', 'enable_http_compression', 'send_progress_in_http_headers',
]);

// The statuses of the HTTP interface by the code of the exception; others are 500.
const statuses = new Map([
  [403, [192, 193, 516]],
  [404, [46, 47, 50, 56, 60, 63, 81, 115]],
  [400, [6, 25, 26, 27, 33, 36, 38, 41, 43, 53, 62, 69, 70, 72, 117, 321]],
  [401, [194]],
  [501, [48]],
].flatMap(([status, codes]) => codes.map((code) => [code, status])));

class ServerError extends Error {
  constructor(code, name, text) {
    super(`Code: ${code}. DB::Exception: ${text} (${name})`);
  }
}

const notImplemented = (what) => new ServerError(48, 'NOT_IMPLEMENTED', `${what} is not implemented by the test server.`);

// The session has one current database, so requests run one after another.
let last = Promise.resolve();

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && ['/', '/ping'].includes(url.pathname) && !url.searchParams.has('query')) {
    response.end('Ok.\n');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    last = last.then(() => answer(request, url.searchParams, Buffer.concat(chunks), response));
  });
});

async function answer(request, parameters, body, response) {
  try {
    authenticate(request, parameters);
    if (parameters.get('decompress') === '1' || parameters.get('compress') === '1') {
      throw notImplemented('compression in blocks of the native protocol');
    }
    const { statement, data } = split(parameters.get('query') || '', decoded(request, body));
    use(parameters.get('database') || request.headers['x-clickhouse-database'] || 'default');
    response.setHeader('X-ClickHouse-Timezone', 'UTC');
    if (data.length > 0) {
      await insert(statement, data, parameters, response);
    } else if (parameters.has('client_protocol_version') && /^SELECT displayName\(\), version\(\)/.test(statement)) {
      hello(response);
    } else {
      await select(statement, parameters, response);
    }
  } catch (error) {
    fail(error, response);
  }
}

// authenticate takes the login from where ClickHouse does.
function authenticate(request, parameters) {
  let user = parameters.get('user') || request.headers['x-clickhouse-user'] || 'default';
  let password = parameters.get('password') || request.headers['x-clickhouse-key'] || '';
  const [scheme, encoded] = (request.headers.authorization || '').split(' ');
  if (scheme === 'Basic' && encoded) {
    const login = Buffer.from(encoded, 'base64').toString();
    const colon = login.indexOf(':');
    [user, password] = [login.slice(0, colon), login.slice(colon + 1)];
  }
  if (users.get(user) !== password) {
    throw new ServerError(516, 'AUTHENTICATION_FAILED',
      `${user}: Authentication failed: password is incorrect, or there is no user with such name.`);
  }
}

// decoded undoes the compression of HTTP.
function decoded(request, body) {
  const encoding = request.headers['content-encoding'];
  switch (encoding) {
    case undefined: return body;
    case 'gzip': return zlib.gunzipSync(body);
    case 'deflate': return zlib.inflateSync(body);
    case 'br': return zlib.brotliDecompressSync(body);
    default: throw notImplemented(`Content-Encoding: ${encoding}`);
  }
}

// split takes apart what an insert carries: its data follow the name of their format, in the query or
// in the body. The text of any other statement is that of the query and the body together.
function split(query, body) {
  const formatAtEnd = /^\s*INSERT\s[^]*\bFORMAT\s+\w+\s*$/i;
  if (formatAtEnd.test(query)) return { statement: query, data: body };
  if (query === '') {
    const head = /^\s*INSERT\s[^]*?\bFORMAT\s+\w+[ \t]*\r?\n/i.exec(body.toString('latin1', 0, 64 << 10));
    if (head) return { statement: body.toString('utf8', 0, head[0].length).trimEnd(), data: body.subarray(head[0].length) };
  }
  return { statement: query + (query && body.length ? '\n' : '') + body, data: Buffer.alloc(0) };
}

function use(database) {
  engine.QueryWithConnection(session, `USE \`${database.replaceAll('`', '\\`')}\``, 'Null');
}

// settings writes those of the request as the query's own.
function settings(parameters) {
  const list = [...parameters].filter(([name]) => !notSettings.has(name)).map(([name, value]) => {
    if (!/^\w+$/.test(name) || name.startsWith('param_')) throw notImplemented(`the parameter ${name}`);
    return `${name} = ${/^-?\d+(\.\d+)?$/.test(value) ? value : `'${value.replace(/['\\]/g, '\\$&')}'`}`;
  });
  return list.length ? `SETTINGS ${list.join(', ')} ` : '';
}

// insert goes by way of a file, since the engine's own call for raw data takes two line feeds in a row, as
// binary formats have them, for the end.
async function insert(statement, data, parameters, response) {
  const file = path.join(os.tmpdir(), `clickhouse-http-${process.pid}.data`);
  fs.writeFileSync(file, data);
  try {
    const fromFile = statement.replace(/\bFORMAT\s+\w+\s*$/i, (format) => `FROM INFILE '${file}' ${settings(parameters)}${format}`);
    const result = await engine.QueryAsyncConnection(session, fromFile, 'Null');
    response.setHeader('X-ClickHouse-Summary', JSON.stringify({
      written_rows: String(result.rowsRead), written_bytes: String(result.bytesRead),
    }));
    response.end();
  } finally {
    fs.unlinkSync(file);
  }
}

async function select(statement, parameters, response) {
  const named = /\bFORMAT\s+(\w+)[\s;]*$/i.exec(statement);
  const format = named ? named[1] : parameters.get('default_format') || 'TabSeparated';
  const result = await engine.QueryAsyncConnection(session, statement, format);
  response.setHeader('X-ClickHouse-Format', format);
  response.end(Buffer.from(result.bytes));
}

// hello answers the first query of clickhouse-go: a block of one row in the format Native as it is for
// clients of the native protocol. Its revision 0 tells the client to read all that follows as the plain
// format, the only one that the library writes.
function hello(response) {
  const version = engine.QueryWithConnection(session, 'SELECT version()', 'TabSeparatedRaw').trim();
  const text = (value) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)]);
  const customSerialization = Buffer.from([0]);
  const column = (name, type, value) => Buffer.concat([text(name), text(type), customSerialization, value]);
  const blockInfo = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]); // no overflows, no bucket, end
  const columnsAndRows = Buffer.from([4, 1]);
  response.setHeader('X-ClickHouse-Format', 'Native');
  response.end(Buffer.concat([
    blockInfo, columnsAndRows,
    column('displayName()', 'String', text('test')),
    column('version()', 'String', text(version)),
    column('revision()', 'UInt32', Buffer.alloc(4)),
    column('timezone()', 'String', text('UTC')),
  ]));
}

function fail(error, response) {
  const message = String(error.message || error).replace(/^[^]*?(?=Code: \d)/, '');
  const code = Number((/^Code: (\d+)/.exec(message) || [])[1]);
  if (code) response.setHeader('X-ClickHouse-Exception-Code', code);
  response.statusCode = statuses.get(code) || 500;
  response.end(message + '\n');
}

process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
  last.then(() => {
    engine.CloseConnection(session);
    process.exit(0);
  });
});

server.listen(Number(port), '127.0.0.1');
