// Adds up the test runners' JSON reports and closes with the one line that CI reads.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const total = { passed: 0, failed: 0, skipped: 0 };
for (const file of readdirSync(process.argv[2]).filter((name) => name.endsWith(".json"))) {
  const report = JSON.parse(readFileSync(join(process.argv[2], file), "utf8"));
  total.passed += report.numPassedTests;
  // A suite that could not even be loaded has no failed tests, but has failed.
  total.failed += report.numFailedTests + report.testResults.filter((suite) => suite.status === "failed" && suite.assertionResults.length === 0).length;
  total.skipped += report.numPendingTests + report.numTodoTests;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
