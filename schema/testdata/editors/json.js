// What VS Code's service for JSON says of a file: node json.js NODE_MODULES FILE LINE CHARACTER
const [modules, file, line, character] = process.argv.slice(2);
const fs = require("fs");
const path = require("path");
const { getLanguageService, TextDocument } = require(path.join(modules, "vscode-json-languageservice"));

const service = getLanguageService({
  workspaceContext: { resolveRelativePath: (to, from) => "file://" + path.join(path.dirname(from.replace("file://", "")), to) },
  schemaRequestService: async (uri) => fs.readFileSync(uri.replace("file://", ""), "utf8"),
});
const document = TextDocument.create("file://" + file, "json", 1, fs.readFileSync(file, "utf8"));
const tree = service.parseJSONDocument(document);
const position = { line: Number(line), character: Number(character) };

(async () => {
  const hover = await service.doHover(document, position, tree);
  const completion = await service.doComplete(document, position, tree);
  console.log(JSON.stringify({
    problems: await service.doValidation(document, tree),
    hover: hover && hover.contents,
    completion: completion && completion.items.map((i) => i.label),
  }));
})();
