export type { NameScheme, RelabelAction, RelabelConfig } from "./config.ts";
export { isValidLabelName, Relabeller } from "./relabel.ts";
