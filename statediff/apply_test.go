package statediff_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

type applyCase struct{ doc, patch, want, err string }

func applyCases() []applyCase {
	return []applyCase{
		{`{"a": 1.0}`, `[]`, `{"a": 1.0}`, ""},
		{` {"a": [ 1, 2 ], "b":0}`, `[{"op":"replace","path":"/b","value":[ 3 ]}]`, `{"a":[ 1, 2 ],"b":[ 3 ]}`, ""},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`, ""},
		{`[1,2]`, `[{"op":"add","path":"/1","value":9},{"op":"add","path":"/-","value":3}]`, `[1,9,2,3]`, ""},
		{`{"a":1}`, `[{"op":"add","path":"","value":[]}]`, `[]`, ""},
		{`{"a":1,"b":2}`, `[{"op":"remove","path":"/a"}]`, `{"b":2}`, ""},
		{`[1,2,3]`, `[{"op":"remove","path":"/0"},{"op":"remove","path":"/1"}]`, `[2]`, ""},
		{`{"a":{"b":1},"c":{}}`, `[{"op":"move","from":"/a/b","path":"/c/d"}]`, `{"a":{},"c":{"d":1}}`, ""},
		{`[1,2,3]`, `[{"op":"move","from":"/0","path":"/2"}]`, `[2,3,1]`, ""},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"add","path":"/c/b","value":2}]`, `{"a":{"b":1},"c":{"b":2}}`, ""},
		{`{"a":{"b":1}}`, `[{"op":"add","path":"/a/x","value":0},{"op":"copy","from":"/a","path":"/c"},{"op":"remove","path":"/a/x"}]`, `{"a":{"b":1},"c":{"b":1,"x":0}}`, ""},
		{`{"a":1}`, `[{"op":"copy","from":"","path":"/b"}]`, `{"a":1,"b":{"a":1}}`, ""},
		{`{"a":1}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1}`, ""},
		{`{"~1":1,"a/b":2}`, `[{"op":"remove","path":"/~01"},{"op":"replace","path":"/a~1b","value":3}]`, `{"a/b":3}`, ""},
		{`{"":{"":1}}`, `[{"op":"replace","path":"//","value":2}]`, `{"":{"":2}}`, ""},
		{`{"a":[1,{"b":2}]}`, `[{"op":"test","path":"/a","value":[1.0,{"\u0062":2e0}]}]`, `{"a":[1,{"b":2}]}`, ""},
		{`{"a":1}`, `[{"op":"add","path":"/b","value":2},{"op":"test","path":"","value":{"b":2,"a":1}}]`, `{"a":1,"b":2}`, ""},
		{`{"a":1,"a":2,"b":3}`, `[{"op":"replace","path":"/b","value":4}]`, `{"a":2,"b":4}`, ""},
		{`{"a":1}`, `[{"op":"add","path":"/\ud800","value":2}]`, `{"a":1,"\ud800":2}`, ""},
		{`{"a":1}`, `[{"op":"remove","path":"/a","value":0,"x":[]}]`, `{}`, ""},

		{`{"a":1}`, `[{"op":"test","path":"/a","value":"1"}]`, "", `patch, operation 0: "/a": the value is another`},
		{`{"a":1}`, `[{"op":"add","path":"/b","value":2},{"op":"remove","path":"/c"}]`, "", `patch, operation 1: the document: no member "c"`},
		{`[1]`, `[{"op":"add","path":"/2","value":2}]`, "", `the document: no element 2`},
		{`[1]`, `[{"op":"add","path":"/01","value":2}]`, "", `"01" no index`},
		{`[1]`, `[{"op":"remove","path":"/-"}]`, "", `"-" no index`},
		{`[1]`, `[{"op":"replace","path":"/99999999999999999999","value":2}]`, "", `no index`},
		{`{"a":1}`, `[{"op":"add","path":"/a/b","value":2}]`, "", `"/a": it is a number and has no "b"`},
		{`{"a":1}`, `[{"op":"remove","path":""}]`, "", "can't be removed"},
		{`{"a":{}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, "", "moved into itself"},
		{`{"a":{}}`, `[{"op":"move","from":"","path":"/a"}]`, "", "moved into itself"},
		{`1`, `{}`, "", "want an array of operations"},
		{`1`, `[1]`, "", "want an object, have a number"},
		{`1`, `[{}]`, "", `it has no "op"`},
		{`1`, `[{"op":"jump","path":""}]`, "", `no operation "jump"`},
		{`1`, `[{"op":"add","path":""}]`, "", `add without "value"`},
		{`1`, `[{"op":"add","value":1}]`, "", `add without "path"`},
		{`1`, `[{"op":"move","path":"/a"}]`, "", `move without "from"`},
		{`1`, `[{"op":"add","path":"a","value":1}]`, "", `"path": path "a", at byte 0`},
		{`1`, `[{"op":"add","path":"/~2","value":1}]`, "", "at byte 1"},
		{`1`, `[{"op":1,"path":"","value":1}]`, "", `"op": want a string, have a number`},
		{`1`, `[{"op":"add","path":"","path":"","value":1}]`, "", `"path" twice`},
		{`1`, `[`, "", "patch: not JSON at byte 1"},
		{`[`, `[]`, "", "not JSON at byte 1"},
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, c := range applyCases() {
		got, err := statediff.Apply([]byte(c.doc), []byte(c.patch))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.patch)
			continue
		}
		require.NoError(t, err, c.patch)
		require.Equal(t, c.want, string(got), c.patch)
	}
}

// TestApplyBounds has patches that would take far more than their length.
func TestApplyBounds(t *testing.T) {
	t.Parallel()
	double := `[` + strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"","path":"/-"},`, 60), ",") + `]`
	_, err := statediff.Apply([]byte(`["aaaaaaaaaaaaaaaaaaaaaaaa"]`), []byte(double))
	require.ErrorIs(t, err, statediff.ErrTooLarge)

	deep := strings.Repeat("[", 6000) + strings.Repeat("]", 6000)
	at := strings.Repeat("/0", 5999) + "/-"
	patch := fmt.Sprintf(`[{"op":"add","path":%q,"value":%s}]`, at, deep)
	_, err = statediff.Apply([]byte(deep), []byte(patch))
	require.ErrorIs(t, err, statediff.ErrTooLarge)
	_, err = statediff.Apply([]byte(`[[]]`), fmt.Appendf(nil, `[{"op":"add","path":"/0/-","value":%s}]`, deep))
	require.NoError(t, err)

	var nest strings.Builder // each makes it 4,000 deeper
	for range 50 {
		fmt.Fprintf(&nest, `{"op":"copy","from":"/0","path":"%s/-"},`, strings.Repeat("/0", 4000))
	}
	deep = strings.Repeat("[", 4001) + strings.Repeat("]", 4001)
	_, err = statediff.Apply([]byte(deep), []byte("["+strings.TrimSuffix(nest.String(), ",")+"]"))
	require.Error(t, err)
}

// TestApplyMany makes many operations in one array.
func TestApplyMany(t *testing.T) {
	t.Parallel()
	old, new := symbols(20_000, 10, 1), symbols(30_000, 10, 2)
	requireDiff(t, old, new, statediff.Options{Effort: 1000})
	requireDiff(t, old, []byte("[]"), statediff.Options{})
}
