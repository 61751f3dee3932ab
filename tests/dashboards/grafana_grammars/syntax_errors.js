// Reads [{language, query}, …] from standard input; writes for each null, or the place of its first syntax error.
import { readFileSync } from "node:fs";
import { parser as logql } from "@grafana/lezer-logql";
import { parser as traceql } from "@grafana/lezer-traceql";

const parsers = { logql, traceql };

function firstError({ language, query }) {
  let found = null;
  parsers[language].parse(query).iterate({
    enter(node) {
      if (found === null && node.type.isError) {
        found = `${query.slice(0, node.from)}⚠${query.slice(node.from)}`;
      }
    },
  });
  return found;
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(firstError)));
