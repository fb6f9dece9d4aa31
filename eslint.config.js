import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Packages that only one room may import. */
const packages = {
  execa: ["src/process/**"],
  "@aws-sdk": ["src/store/s3*.ts"],
  "@smithy": ["src/store/s3*.ts"],
  "age-encryption": ["src/pipeline/age*.ts", "src/pipeline/encrypt*.ts"],
  "@oclif": ["src/cli/**", "commands/**"],
  listr2: ["src/cli/**", "commands/**"],
  "libpg-query": ["src/rollback/migrations/**"],
  marked: ["src/rollback/runbook/**"],
  "(node:)?child_process": [],
};

/** What the files of a layer may not import: the layers to their left. */
const layers = [
  { files: ["src/cli/**/*.ts"], forbidden: ["commands"] },
  { files: ["src/app/**/*.ts"], forbidden: ["commands", "cli"] },
  { files: ["src/*/**/*.ts"], ignores: ["src/cli/**", "src/app/**"], forbidden: ["commands", "cli", "app"] },
  { files: ["src/process/**/*.ts"], forbidden: ["commands", "cli", "app", "config", "postgres", "pipeline", "store", "catalog", "audit", "lock", "drill", "retention", "rollback"] },
  { files: ["src/store/**/*.ts", "src/pipeline/**/*.ts"], forbidden: ["commands", "cli", "app", "config", "postgres", "catalog", "audit", "lock", "drill", "retention", "rollback"] },
  { files: ["src/config/**/*.ts"], forbidden: ["commands", "cli", "app", "postgres", "pipeline", "store", "catalog", "audit", "lock", "drill", "retention", "rollback"] },
  { files: ["src/text/**/*.ts"], forbidden: ["commands", "cli", "app", "config", "postgres", "pipeline", "store", "catalog", "audit", "lock", "drill", "retention", "rollback", "process"] },
  { files: ["src/*.ts"], forbidden: ["commands", "cli", "app", "config", "postgres", "pipeline", "store", "catalog", "audit", "lock", "drill", "retention", "rollback", "process"] },
  { files: ["src/postgres/**/*.ts", "src/catalog/**/*.ts", "src/audit/**/*.ts", "src/lock/**/*.ts", "src/retention/**/*.ts"], forbidden: ["commands", "cli", "app", "config", "drill", "rollback"] },
  { files: ["src/drill/**/*.ts"], forbidden: ["commands", "cli", "app", "rollback"] },
  { files: ["src/rollback/**/*.ts"], forbidden: ["commands", "cli", "app", "drill"] },
  // A story may have the name of a room: what is forbidden stands right below src.
  { files: ["commands/**/*.ts"], forbidden: ["postgres", "pipeline", "store", "catalog", "audit", "lock", "drill", "retention", "rollback", "process"].map((room) => `src/${room}`) },
];

const packageRule = (file) =>
  Object.entries(packages)
    .filter(([, files]) => !files.includes(file))
    .map(([name]) => ({ regex: `^${name}(/|$)`, message: "This package has one room only; see src/README.md." }));

const roomRule = (rooms) => [
  { regex: `^\\.{1,2}/(.*/)?(${rooms.join("|")})/`, message: "Imports run one way: commands -> cli -> app -> rooms -> process, errors, ports." },
];

const restrict = (patterns) => ({ "no-restricted-imports": ["error", { patterns }] });

/** One flat entry per set of files, since a later entry replaces an earlier rule's options. */
const importRules = layers.flatMap(({ files, ignores, forbidden }) => {
  const base = [{ files, ...(ignores && { ignores }), rules: restrict([...packageRule(""), ...roomRule(forbidden)]) }];
  const special = Object.values(packages)
    .flat()
    .filter((pattern) => files.some((file) => pattern.startsWith(file.replace(/\*\*.*$/, "")) && !file.startsWith("src/*")))
    .map((pattern) => ({ files: [pattern], rules: restrict([...packageRule(pattern), ...roomRule(forbidden)]) }));
  return [...base, ...special];
});

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "node_modules/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/consistent-type-definitions": "off",
      "no-restricted-syntax": [
        "error",
        { selector: "TSEnumDeclaration", message: "No enums: a union of strings reads the same in JSON." },
        { selector: "ImportExpression[source.type='Literal'][source.value=/^[^.]|^\\.\\.\\u002F/]", message: "An import at run time stays in its room: the rules of import do not see it." },
      ],
    },
  },
  ...importRules,
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-console": "error",
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["**/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
  },
);
