// A Node gateway that only forwards: node proxy.js PORT UPSTREAM_PORT
"use strict";

const fastify = require("fastify")();

fastify.register(require("@fastify/http-proxy"), {
  upstream: `http://127.0.0.1:${process.argv[3]}`,
  undici: { connections: 256, pipelining: 1 },
});
fastify.listen({ host: "127.0.0.1", port: Number(process.argv[2]) }).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
