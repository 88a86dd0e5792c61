package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// jsonObject writes a JSON object whose last member may come later: when what it tells
// of is done.
type jsonObject struct {
	*screen
	format format
	open   bool
}

// begin writes an object, which has members, but for its end.
func (o *jsonObject) begin(v any) error {
	text, err := o.encode(v)
	if err != nil {
		return err
	}
	o.open = true
	o.Write(bytes.TrimRight(bytes.TrimSuffix(text, []byte("}")), "\n"))
	return o.flush()
}

// add writes one more member.
func (o *jsonObject) add(name string, v any) error {
	text, err := o.encode(v)
	if err != nil {
		return err
	}
	if o.format == formatJSON {
		o.printf(",\n  %q: %s", name, bytes.ReplaceAll(text, []byte("\n"), []byte("\n  ")))
		return nil
	}
	o.printf(",%q:%s", name, text)
	return nil
}

// end ends it, if it was begun.
func (o *jsonObject) end() {
	if !o.open {
		return
	}
	o.open = false
	if o.format == formatJSON {
		o.printf("\n")
	}
	o.printf("}\n")
}

// encode returns a value as JSON.
func (o *jsonObject) encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if o.format == formatJSON {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
