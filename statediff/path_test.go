package statediff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

type pathCase struct{ path, pointer, dotted string }

func pathCases() []pathCase {
	return []pathCase{
		{"", "", "."}, {".", "", "."}, {"$", "", "."},
		{"/", "/", `[""]`}, {"//", "//", `[""][""]`},
		{"messages", "/messages", "messages"},
		{"messages[0].content", "/messages/0/content", "messages[0].content"},
		{".messages[0]", "/messages/0", "messages[0]"},
		{"$.messages[0]", "/messages/0", "messages[0]"},
		{"$[0]", "/0", "[0]"}, {".[0]", "/0", "[0]"}, {"[0][10]", "/0/10", "[0][10]"},
		{"/messages/0", "/messages/0", "messages[0]"},
		{"a.0", "/a/0", "a[0]"}, {"a.01", "/a/01", "a.01"},
		{`["a.b"]["c/d"]["e~f"]`, "/a.b/c~1d/e~0f", `["a.b"]["c/d"]["e~f"]`},
		{`a["\u0062\""]`, `/a/b"`, `a["b\""]`},
		{`a[""].x`, "/a//x", `a[""].x`},
		{"a b.ü-1_", "/a b/ü-1_", `["a b"].ü-1_`},
		{"$x", "/$x", `["$x"]`},
		{"/-1", "/-1", "-1"}, {"a/b", "/a~1b", `["a/b"]`},
		{"[99999999999999999999]", "/99999999999999999999", "[99999999999999999999]"},
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, c := range pathCases() {
		path, err := statediff.ParsePath(c.path)
		require.NoError(t, err, c.path)
		p, ok := path.Pointer()
		require.True(t, ok)
		require.Equal(t, c.pointer, string(p), c.path)
		require.Equal(t, c.dotted, p.Dotted(), c.path)
		require.Equal(t, c.dotted, path.String())
		again, err := statediff.ParsePath(p.Dotted())
		require.NoError(t, err)
		require.Equal(t, path, again)
	}
}

func TestParsePathErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path    string
		offset  int
		problem string
	}{
		{"/a~", 2, `"~" must be followed`},
		{"/~2", 1, `"~" must be followed`},
		{"a..b", 2, "want a name"},
		{"a.", 2, "want a name"},
		{"..", 1, "want a name"},
		{"a[", 2, `want "]"`},
		{"a[0", 3, `want "]"`},
		{"a[]", 2, "want an index"},
		{"a[01]", 2, "want an index"},
		{"a[-0]", 2, "want an index"},
		{"a[x]", 2, "want an index"},
		{"a['x']", 2, "double quotes"},
		{`a["x]`, 2, "not a string"},
		{`a["x"`, 5, `want "]"`},
		{"a[0]b", 4, `want "." or "["`},
		{"a]", 1, "a name with"},
		{`a"b`, 1, "a name with"},
		{"a[-99999999999999999999]", 2, "beyond any array"},
	} {
		_, err := statediff.ParsePath(c.path)
		var wrong *statediff.PathError
		require.ErrorAs(t, err, &wrong, c.path)
		require.Equal(t, c.offset, wrong.Offset, c.path)
		require.ErrorContains(t, err, c.problem, c.path)
	}
}

func TestPathIn(t *testing.T) {
	t.Parallel()
	doc := []byte(` {"messages":[{"content":"a"},{"content":"b","content":"c"}],"n":1,"o":{"-1":0}} `)
	for path, want := range map[string]string{
		"messages[-1].content": `"c"`, "messages[-2]": `{"content":"a"}`, "messages[0].content": `"a"`, "n": "1", ".": string(doc[1 : len(doc)-1]),
	} {
		parsed, err := statediff.ParsePath(path)
		require.NoError(t, err)
		p, err := parsed.In(doc)
		require.NoError(t, err)
		requireAt(t, doc, p, []byte(want))
		d, err := statediff.Parse(doc)
		require.NoError(t, err)
		got, err := d.Lookup(p)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for path, want := range map[string]string{
		"messages[-3]": `"/messages": the array has 2 elements, none at -3`,
		"messages[2]":  `"/messages": no element 2`,
		"messages.x":   `"/messages": it is an array, and "x" no index`,
		"n[-1]":        `"/n": it is a number and has no "-1"`,
		"o[-1]":        `"/o": no member "-1"`,
		"x.y":          `the document: no member "x"`,
		"n.y":          `"/n": it is a number and has no "y"`,
	} {
		parsed, err := statediff.ParsePath(path)
		require.NoError(t, err)
		_, err = parsed.In(doc)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, statediff.ErrNotFound)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	d, err := statediff.Parse([]byte(`{"a":[1,{"b/c":"x\n"},[]],"d":{}}`))
	require.NoError(t, err)
	var got []string
	for v := range d.All() {
		got = append(got, string(v.Pointer())+" "+v.Type().String()+" "+string(v.Raw())+" "+string(v.Text()))
	}
	require.Equal(t, []string{
		` object {"a":[1,{"b/c":"x\n"},[]],"d":{}} `, `/a array [1,{"b/c":"x\n"},[]] `, `/a/0 number 1 `, `/a/1 object {"b/c":"x\n"} `,
		"/a/1/b~1c string \"x\\n\" x\n", `/a/2 array [] `, `/d object {} `,
	}, got)
}

func TestParentOfAPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"messages[-1].content": {"messages[-1]", "content"}, "/a/-": {"a", "-"}, "list[3]": {"list", "3"}, `["a.b"]`: {".", "a.b"},
	} {
		path, err := statediff.ParsePath(text)
		require.NoError(t, err)
		parent, name, ok := path.Parent()
		require.True(t, ok)
		require.Equal(t, want, [2]string{parent.String(), name})
		require.Equal(t, text == "/a/-", path.String() != text, "it is as it was")
	}
	for _, text := range []string{"", "messages[-1]"} {
		path, err := statediff.ParsePath(text)
		require.NoError(t, err)
		_, _, ok := path.Parent()
		require.False(t, ok, text)
	}
}
