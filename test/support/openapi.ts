// Reads an OpenAPI document and checks answers against its schemas: as much of JSON Schema as Prometheus' description
// of its API uses. A keyword that is not known here is an error, so that nothing goes unchecked in silence.
import { parse } from "yaml";

/** Schema is one JSON schema. */
interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  anyOf?: Schema[];
  oneOf?: Schema[];
  format?: string;
}

/** OpenApiOperation is one method of one path. */
export interface OpenApiOperation {
  method: string;
  path: string;
  /** required are the names of parameters without which the request must fail. */
  required: string[];
  /** responses are the schemas by status (or "default") and media type. */
  responses: Map<string, Map<string, Schema | undefined>>;
  /** form are the fields of the form that a POST takes. */
  form: string[];
}

const ANNOTATIONS = new Set(["description", "example", "examples", "title", "default"]);
const KEYWORDS = new Set([
  "$ref",
  "type",
  "enum",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "minimum",
  "anyOf",
  "oneOf",
  "format",
]);

interface Document {
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, Schema> };
}

interface OperationObject {
  parameters?: { name: string; required?: boolean }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

/** OpenApi is a parsed document. */
export class OpenApi {
  readonly operations: OpenApiOperation[] = [];
  private readonly schemas: Record<string, Schema>;

  constructor(yaml: string) {
    const document = parse(yaml) as Document;
    this.schemas = document.components.schemas;
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const responses = new Map(
          Object.entries(operation.responses).map(([status, { content }]) => [
            status,
            new Map(Object.entries(content ?? {}).map(([type, { schema }]) => [type, schema])),
          ]),
        );
        const form = operation.requestBody?.content["application/x-www-form-urlencoded"]?.schema;
        this.operations.push({
          method: method.toUpperCase(),
          path,
          required: (operation.parameters ?? []).filter((one) => one.required).map((one) => one.name),
          responses,
          form: form === undefined ? [] : Object.keys(this.resolve(form).properties ?? {}),
        });
      }
    }
  }

  /** mistakes lists where `value` differs from the schema, as "path: what was expected". */
  mistakes(value: unknown, schema: Schema, at = "$"): string[] {
    const own = this.resolve(schema);
    for (const keyword of Object.keys(own)) {
      if (!KEYWORDS.has(keyword) && !ANNOTATIONS.has(keyword))
        throw new Error(`schema keyword ${keyword} is not checked`);
    }
    for (const alternatives of [own.anyOf, own.oneOf]) {
      if (alternatives === undefined) continue;
      const each = alternatives.map((one) => this.mistakes(value, one, at));
      if (!each.some((mistakes) => mistakes.length === 0)) return each.flat();
    }
    if (own.enum !== undefined && !own.enum.includes(value)) return [`${at}: expected one of ${own.enum.join(", ")}`];
    switch (own.type) {
      case undefined:
        return [];
      case "object":
        return this.objectMistakes(value, own, at);
      case "array":
        return this.arrayMistakes(value, own, at);
      case "integer":
        return Number.isInteger(value) ? [] : [`${at}: expected an integer, got ${JSON.stringify(value)}`];
      case "string":
        return stringMistakes(value, own, at);
      default:
        return typeof value === own.type ? [] : [`${at}: expected a ${own.type}, got ${JSON.stringify(value)}`];
    }
  }

  private objectMistakes(value: unknown, schema: Schema, at: string): string[] {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return [`${at}: expected an object, got ${JSON.stringify(value)}`];
    }
    const mistakes: string[] = [];
    for (const name of schema.required ?? []) if (!(name in value)) mistakes.push(`${at}.${name}: missing`);
    for (const [name, member] of Object.entries(value)) {
      const known = schema.properties?.[name];
      if (known !== undefined) mistakes.push(...this.mistakes(member, known, `${at}.${name}`));
      else if (schema.additionalProperties === false) mistakes.push(`${at}.${name}: not expected`);
      else if (typeof schema.additionalProperties === "object") {
        mistakes.push(...this.mistakes(member, schema.additionalProperties, `${at}.${name}`));
      }
    }
    return mistakes;
  }

  private arrayMistakes(value: unknown, schema: Schema, at: string): string[] {
    if (!Array.isArray(value)) return [`${at}: expected an array, got ${JSON.stringify(value)}`];
    if (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Infinity)) {
      return [`${at}: expected ${schema.minItems} to ${schema.maxItems} items, got ${value.length}`];
    }
    return schema.items === undefined
      ? []
      : value.flatMap((item, i) => this.mistakes(item, schema.items!, `${at}[${i}]`));
  }

  private resolve(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    const found = this.schemas[schema.$ref.replace("#/components/schemas/", "")];
    if (found === undefined) throw new Error(`no schema ${schema.$ref}`);
    return this.resolve(found);
  }
}

function stringMistakes(value: unknown, schema: Schema, at: string): string[] {
  if (typeof value !== "string") return [`${at}: expected a string, got ${JSON.stringify(value)}`];
  if (schema.format === "date-time" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)) {
    return [`${at}: expected an RFC 3339 time, got ${JSON.stringify(value)}`];
  }
  return [];
}
