package statediff

import (
	"errors"
	"fmt"
)

// Apply makes the changes that a JSON Patch (RFC 6902) says to a document: "add", "remove", "replace",
// "move", "copy" and "test", where equal is what [Equal] means by it. What no operation looked into stays as
// written, and values come into the document as the patch has them; of an object that one looked into,
// members of the same name are but one, the last.
//
// All operations are done, or none: then the error is a [*PatchError] around what is wrong, such as a
// [*SyntaxError], a [*PathError], a [*LookupError], [ErrTestFailed] or [ErrTooLarge]; that of a document
// which isn't JSON is a [*SyntaxError] alone.
//
// It takes time in proportion to both lengths, and for an array besides to how far the operations are apart
// in it. What it makes is at most [MaxDepth] deep, and 64 MiB and 16 times both lengths long.
func Apply(doc, patch []byte) ([]byte, error) {
	d, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	operations, err := Parse(patch)
	if err != nil {
		return nil, &PatchError{-1, err}
	}
	if operations.nodes[0].kind != Array {
		return nil, &PatchError{-1, errors.New("want an array of operations")}
	}
	p := patcher{root: &tree{doc: d}, room: 64<<20 + 16*(len(doc)+len(patch))}
	for i, n := range operations.children(0) {
		op, err := readOperation(operations, n)
		if err == nil {
			err = p.do(op)
		}
		if err != nil {
			return nil, &PatchError{i, err}
		}
	}
	b, err := p.root.append(make([]byte, 0, len(doc)+64), 0, p.room)
	if err != nil {
		return nil, &PatchError{-1, err}
	}
	return b, nil
}

type operation struct {
	op         string
	path, from Pointer
	value      *tree // nil: none
}

func readOperation(d *Document, n uint32) (operation, error) {
	if d.nodes[n].kind != Object {
		return operation{}, fmt.Errorf("want an object, have a %s", d.nodes[n].kind)
	}
	var o operation
	var seen [4]bool
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		which, name := 0, string(d.name(k))
		var err error
		switch name {
		case "op":
			o.op, err = d.stringAt(k + 1)
		case "path":
			which = 1
			o.path, err = d.pointerAt(k + 1)
		case "from":
			which = 2
			o.from, err = d.pointerAt(k + 1)
		case "value":
			which = 3
			o.value = &tree{doc: d, node: k + 1}
		default:
			continue
		}
		if err != nil {
			return o, fmt.Errorf("%q: %w", name, err)
		}
		if seen[which] {
			return o, fmt.Errorf("it has %q twice", name)
		}
		seen[which] = true
	}
	return o, o.check(seen)
}

func (o operation) check(seen [4]bool) error {
	need := map[string][]int{"add": {1, 3}, "remove": {1}, "replace": {1, 3}, "move": {1, 2}, "copy": {1, 2}, "test": {1, 3}}
	wanted, known := need[o.op]
	if !seen[0] {
		return errors.New(`it has no "op"`)
	}
	if !known {
		return fmt.Errorf("there is no operation %q", o.op)
	}
	for _, i := range wanted {
		if !seen[i] {
			return fmt.Errorf("%s without %q", o.op, [...]string{"op", "path", "from", "value"}[i])
		}
	}
	return nil
}

func (d *Document) stringAt(n uint32) (string, error) {
	if d.nodes[n].kind != String {
		return "", fmt.Errorf("want a string, have a %s", d.nodes[n].kind)
	}
	return string(d.name(n)), nil
}

func (d *Document) pointerAt(n uint32) (Pointer, error) {
	s, err := d.stringAt(n)
	if err != nil {
		return "", err
	}
	return ParsePointer(s)
}

type patcher struct {
	root *tree
	room int // bytes that the result may have; what is copied or serialized meanwhile takes from it
}

func (p *patcher) do(o operation) error {
	switch o.op {
	case "add":
		return p.add(o.path, o.value)
	case "remove":
		_, err := p.remove(o.path)
		return err
	case "replace":
		t, err := p.find(o.path)
		if err == nil {
			*t = *o.value
		}
		return err
	case "move":
		if o.from != o.path && o.from.Contains(o.path) {
			return fmt.Errorf("%s can't be moved into itself", place(o.from))
		}
		if o.from == o.path {
			_, err := p.find(o.path)
			return err
		}
		t, err := p.remove(o.from)
		if err != nil {
			return err
		}
		return p.add(o.path, t)
	case "copy":
		t, err := p.find(o.from)
		if err != nil {
			return err
		}
		if t, err = t.copy(0, &p.room); err != nil {
			return err
		}
		return p.add(o.path, t)
	}
	return p.test(o.path, o.value)
}

func (p *patcher) test(path Pointer, value *tree) error {
	t, err := p.find(path)
	if err != nil {
		return err
	}
	if t.doc == nil {
		b, err := t.append(nil, 0, p.room)
		if err != nil {
			return err
		}
		p.room -= len(b)
		d, err := Parse(b)
		if err != nil {
			return err
		}
		t = &tree{doc: d}
	}
	t.doc.hash()
	value.doc.hash()
	if t.doc.nodes[t.node].hash != value.doc.nodes[value.node].hash {
		return fmt.Errorf("%s: %w", place(path), ErrTestFailed)
	}
	return nil
}

// find returns the value at a path.
func (p *patcher) find(path Pointer) (*tree, error) {
	t, at := p.root, 0
	for end, token := range path.tokens() {
		t.open()
		kid := t.child(token)
		if kid == nil {
			return nil, missing(path[:at], token, t.kind)
		}
		t, at = kid, end
	}
	return t, nil
}

func (p *patcher) add(path Pointer, value *tree) error {
	if path == "" {
		*p.root = *value
		return nil
	}
	up, token := path.Parent()
	t, err := p.find(up)
	if err != nil {
		return err
	}
	t.open()
	switch t.kind {
	case Object:
		t.set(token, value)
		return nil
	case Array:
		i := index(token)
		if token == "-" {
			i = t.elements.len()
		}
		if i >= 0 && i <= t.elements.len() {
			t.elements.insert(i, value)
			return nil
		}
	}
	return missing(up, token, t.kind)
}

func (p *patcher) remove(path Pointer) (*tree, error) {
	if path == "" {
		return nil, errors.New("the document itself can't be removed")
	}
	up, token := path.Parent()
	t, err := p.find(up)
	if err != nil {
		return nil, err
	}
	t.open()
	kid := t.child(token)
	if kid == nil {
		return nil, missing(up, token, t.kind)
	}
	if t.kind == Array {
		t.elements.remove(index(token))
	} else {
		t.unset(token)
	}
	return kid, nil
}
