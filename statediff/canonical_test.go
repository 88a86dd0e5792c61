package statediff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

const hugeNumber = "1e999999999999999999999"

// canonical returns a text that is the same for equal documents, made by other means than the package has:
// the oracle. Of documents that it can't do justice to (names twice, escapes of surrogates, numbers with
// large exponents) it returns "".
func canonical(doc []byte) string {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var b strings.Builder
	if strings.Contains(string(doc), `\ud`) || strings.Contains(string(doc), `\uD`) || !canonicalValue(&b, dec) {
		return ""
	}
	return b.String()
}

func canonicalValue(b *strings.Builder, dec *json.Decoder) bool {
	token, err := dec.Token()
	if err != nil {
		return false
	}
	switch token := token.(type) {
	case json.Delim:
		b.WriteString(token.String())
		var kids []string
		names := map[string]bool{}
		for dec.More() {
			var kid strings.Builder
			if token == '{' {
				name, err := dec.Token()
				if err != nil || names[name.(string)] {
					return false
				}
				names[name.(string)] = true
				fmt.Fprintf(&kid, "%q:", name)
			}
			if !canonicalValue(&kid, dec) {
				return false
			}
			kids = append(kids, kid.String())
		}
		if token == '{' {
			slices.Sort(kids)
		}
		b.WriteString(strings.Join(kids, ","))
		if _, err = dec.Token(); err != nil && err != io.EOF {
			return false
		}
		b.WriteString("end")
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(string(token)), "e")
		if len(exponent) > 3 {
			b.WriteString(string(token))
			return string(token) == hugeNumber
		}
		r, ok := new(big.Rat).SetString(string(token))
		if !ok {
			return false
		}
		b.WriteString(r.RatString())
	case string:
		fmt.Fprintf(b, "%q", token)
	default:
		fmt.Fprint(b, token)
	}
	return true
}
