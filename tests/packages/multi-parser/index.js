const { Parser } = require("@asyncapi/parser");

exports.NewParser = (_version, { parserOptions }) => new Parser(parserOptions);
