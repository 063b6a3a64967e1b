/** isValidLabelName tells whether a name may be a label's: any text that is not empty and valid UTF-8. */
export function isValidLabelName(name: string): boolean {
  return name !== "" && name.isWellFormed();
}
