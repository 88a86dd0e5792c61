package statediff_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// value is a document as a tree of Go values that can be edited: nil, bool, json.Number, string, []value
// and *object.
type value any

type object struct {
	names  []string
	values []value
}

func write(b *strings.Builder, v value) {
	switch v := v.(type) {
	case []value:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, e)
		}
		b.WriteByte(']')
	case *object:
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, name)
			b.WriteByte(':')
			write(b, v.values[i])
		}
		b.WriteByte('}')
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		b.Write(text)
	}
}

func written(v value) []byte {
	var b strings.Builder
	write(&b, v)
	return []byte(b.String())
}

func scalar(rng *rand.Rand) value {
	switch rng.IntN(8) {
	case 0:
		return nil
	case 1:
		return rng.IntN(2) == 0
	case 2, 3:
		return []string{"", "a", "b", "~1/", "é\n\"", "user", "hello world, this is a longer text"}[rng.IntN(7)]
	case 4:
		return json.Number([]string{"1.0", "1e0", "-0", "0.1e1", "9007199254740993", "9007199254740992", hugeNumber}[rng.IntN(7)])
	}
	return json.Number(fmt.Sprint(rng.IntN(6)))
}

func random(rng *rand.Rand, depth int) value {
	if depth == 0 || rng.IntN(3) == 0 {
		return scalar(rng)
	}
	n := rng.IntN(7)
	if rng.IntN(2) == 0 {
		a := make([]value, n)
		for i := range a {
			a[i] = random(rng, depth-1)
		}
		return a
	}
	o := &object{}
	for range n {
		o.set(name(rng), random(rng, depth-1))
	}
	return o
}

func name(rng *rand.Rand) string {
	return []string{"", "0", "1", "a", "b/c", "d~e", "id", "name", "ü", "-", "long name"}[rng.IntN(11)]
}

func (o *object) set(name string, v value) {
	for i, n := range o.names {
		if n == name {
			o.values[i] = v
			return
		}
	}
	o.names, o.values = append(o.names, name), append(o.values, v)
}

func clone(v value) value {
	switch v := v.(type) {
	case []value:
		c := make([]value, len(v))
		for i := range v {
			c[i] = clone(v[i])
		}
		return c
	case *object:
		c := &object{}
		for i, name := range v.names {
			c.set(name, clone(v.values[i]))
		}
		return c
	}
	return v
}

// edit returns v with something in it added, removed or changed, or in another order that doesn't matter.
func edit(rng *rand.Rand, v value) value {
	switch v := v.(type) {
	case []value:
		if len(v) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(v))
			v[i] = edit(rng, v[i])
			return v
		}
		i := rng.IntN(len(v) + 1)
		if i < len(v) && rng.IntN(2) == 0 {
			return append(v[:i:i], v[i+1:]...)
		}
		return append(v[:i:i], append([]value{random(rng, 2)}, v[i:]...)...)
	case *object:
		switch n := len(v.names); {
		case n > 0 && rng.IntN(2) == 0:
			i := rng.IntN(n)
			v.values[i] = edit(rng, v.values[i])
		case n > 0 && rng.IntN(3) == 0:
			v.names, v.values = v.names[1:], v.values[1:]
		case n > 0 && rng.IntN(3) == 0:
			rng.Shuffle(n, func(i, j int) {
				v.names[i], v.names[j] = v.names[j], v.names[i]
				v.values[i], v.values[j] = v.values[j], v.values[i]
			})
		default:
			v.set(name(rng), random(rng, 2))
		}
		return v
	}
	return random(rng, 2)
}
