"""The JSON Schema of recipes is a schema, accepts the recipes here, and refuses bad ones.

Usage: check.py SOURCE-FOLDER. Status 77: jsonschema (python3-jsonschema) is not installed.
"""
import glob
import json
import re
import sys

try:
    import jsonschema
    import tomllib
except ImportError as missing:
    print(f"SKIPPED: {missing} (python3-jsonschema, Python 3.11)")
    sys.exit(77)

# Those among tests/unit/recipes/bad whose fault a schema can tell.
REFUSED = ["unknown-keys", "wrong-types", "missing", "names", "names-hosts", "not-tables", "choices", "empty", "tests"]


def read(path):
    with open(path, "rb") as file:
        return tomllib.load(file)


def main(source):
    failed = 0
    with open(f"{source}/docs/recipe.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    with open(f"{source}/docs/recipe.md", encoding="utf-8") as file:
        example = re.search(r"```toml\n(.*?)```", file.read(), re.S).group(1)
    good = {"docs/recipe.md": tomllib.loads(example)}
    for path in sorted(glob.glob(f"{source}/recipes/stock/*/recipe.toml")):
        good[path] = read(path)
    for path, recipe in good.items():
        # Dates have no type in JSON; editors hand them over as text.
        recipe = json.loads(json.dumps(recipe, default=lambda value: value.isoformat()))
        for error in validator.iter_errors(recipe):
            print(f"FAIL {path}: {error.json_path}: {error.message}")
            failed += 1
    for name in REFUSED:
        recipe = json.loads(json.dumps(read(f"{source}/tests/unit/recipes/bad/{name}.toml"), default=str))
        if validator.is_valid(recipe):
            print(f"FAIL {name} was accepted")
            failed += 1
    print(f"{len(good)} recipes to accept, {len(REFUSED)} to refuse, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
