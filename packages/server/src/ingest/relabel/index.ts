export type { NameScheme, RelabelAction, RelabelConfig } from "./config.ts";
export {
  checkLabelName,
  checkRelabelConfig,
  isValidLabelName,
  labelName,
  newRelabelConfig,
  relabelConfigCodec,
} from "./codec.ts";
export { Relabeller, type RelabelStep, relabelSteps } from "./relabel.ts";
