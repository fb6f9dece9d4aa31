// Reads the test runners' JSON reports. `failed` names the files to try once more, a line each: suite, then its files.
// `count` names every failure, also those that passed at the second try, and closes with the one line that CI reads.
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const suites = ["main", "containers", "kubernetes", "pages", "regression"];
// More than this is no accident of the machine.
const filesToTryAgain = 3;

const [mode, folder] = process.argv.slice(2);
const read = (name) => (existsSync(join(folder, `${name}.json`)) ? JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) : undefined);

/** What a report says of each test. A file that could not even be loaded has no tests, and has failed as one. */
function testsOf(report) {
  return (report?.testResults ?? []).flatMap((file) => {
    const path = relative(process.cwd(), file.name);
    if (file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")) file.assertionResults.push({ fullName: "(the file)", status: "failed", failureMessages: [file.message] });
    return file.assertionResults.map((test) => ({ path, name: test.fullName, status: test.status, why: test.failureMessages.join("\n") }));
  });
}

const runs = suites.map((suite) => ({ suite, first: testsOf(read(suite)), again: testsOf(read(`${suite}.again`)) }));
const failed = (tests) => tests.filter((test) => test.status === "failed");

if (mode === "failed") {
  const files = runs.map(({ suite, first }) => [suite, ...new Set(failed(first).map((test) => test.path))]).filter((line) => line.length > 1);
  if (files.flat().length - files.length <= filesToTryAgain) for (const line of files) console.log(line.join(" "));
} else {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { suite, first, again } of runs) {
    for (const test of first) {
      const second = again.find((other) => other.path === test.path && other.name === test.name);
      if (test.status === "failed") console.log(`\n${second?.status === "passed" ? "passed at the second try only" : "FAILED"}: ${suite}: ${test.path} > ${test.name}\n${test.why.slice(0, 4000)}`);
      if (test.status === "passed" || second?.status === "passed") total.passed++;
      else if (test.status === "failed") total.failed++;
      else total.skipped++;
    }
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  // Nothing counted is nothing proved.
  process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}
