import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useEffectEvent, useRef } from "react";

const HIGHLIGHT = HighlightStyle.define([
  { tag: tags.keyword, color: "light-dark(#8250a8, #c39ae6)" },
  { tag: tags.function(tags.variableName), color: "light-dark(#0e7490, #3bbbd4)" },
  { tag: tags.labelName, color: "light-dark(#a34c00, #e8a35c)" },
  { tag: tags.string, color: "light-dark(#1a7f4b, #6cc796)" },
  { tag: tags.number, color: "light-dark(#0b5cad, #7db4ee)" },
  { tag: tags.invalid, color: "light-dark(#c02b3c, #f0616f)" },
]);

/** PromqlEditor edits one expression with completion from the server; Enter runs, Shift-Enter breaks the line. */
export default function PromqlEditor({
  value,
  onRun,
  onChange,
}: {
  value: string;
  onRun(expr: string): void;
  onChange(expr: string): void;
}) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const runNow = useEffectEvent(onRun);
  const changed = useEffectEvent(onChange);

  useEffect(() => {
    const promql = new PromQLExtension().setComplete({ remote: { url: "" } });
    const editor = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        extensions: [
          promql.asExtension(),
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          syntaxHighlighting(HIGHLIGHT),
          EditorView.lineWrapping,
          placeholder("PromQL expression"),
          EditorView.contentAttributes.of({ "aria-label": "PromQL expression" }),
          keymap.of([
            ...closeBracketsKeymap,
            ...completionKeymap,
            ...historyKeymap,
            ...lintKeymap,
            { key: "Shift-Enter", run: (v) => (v.dispatch(v.state.replaceSelection("\n")), true) },
            {
              key: "Enter",
              run: (v) => {
                runNow(v.state.doc.toString());
                return true;
              },
            },
            ...defaultKeymap,
          ]),
          Prec.highest(
            keymap.of([
              {
                key: "Mod-Enter",
                run: (v) => {
                  closeCompletion(v);
                  runNow(v.state.doc.toString());
                  return true;
                },
              },
            ]),
          ),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
    // The text arrives through the effect below, the first one too.
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
    }
  }, [value]);

  return <div ref={host} />;
}
