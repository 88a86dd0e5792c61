package statediff_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

type diffCase struct {
	name, old, new string
	want           []string
}

// lines renders changes as "kind path (was path): old -> new", and what is coarse.
func lines(d *statediff.Diff) []string {
	var all []string
	for _, c := range d.Changes {
		line := fmt.Sprintf("%s %s", c.Kind, c.Path.Dotted())
		if c.Kind == statediff.Changed && c.OldPath != c.Path {
			line += fmt.Sprintf(" (was %s)", c.OldPath.Dotted())
		}
		switch c.Kind {
		case statediff.Added:
			line += fmt.Sprintf(": %s", c.New)
		case statediff.Removed:
			line += fmt.Sprintf(": %s", c.Old)
		default:
			line += fmt.Sprintf(": %s -> %s", c.Old, c.New)
		}
		all = append(all, line)
	}
	for _, c := range d.Coarse {
		all = append(all, fmt.Sprintf("coarse %s: %s", c.Path.Dotted(), c.Reason))
	}
	return all
}

func diffCases() []diffCase {
	return []diffCase{
		{"nothing", `{"a":[1,"x",null]}`, ` { "a" : [ 1.0, "\u0078", null ] } `, nil},
		{"order of members", `{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`, nil},
		{"numbers that are equal", `[1,1.0,1e0,10e-1,0.1e1,1E+0,100]`, `[1.0,1e0,10e-1,0.1e1,1,1,1e2]`, nil},
		{"zeros", `[0,-0,0.000,0e99,-0.0e-5]`, `[-0,0,0e1,0,0]`, nil},
		{"above 2^53", `[9007199254740993]`, `[9007199254740992]`, []string{"changed [0]: 9007199254740993 -> 9007199254740992"}},
		{"signs", `[1]`, `[-1]`, []string{"changed [0]: 1 -> -1"}},
		{"beyond float64", `{"a":1e400,"b":1e-400}`, `{"a":2e400,"b":0}`, []string{"changed a: 1e400 -> 2e400", "changed b: 1e-400 -> 0"}},
		{"huge exponents", `[1e999999999999999999,10e-999999999999999999999999]`, `[0.1e1000000000000000000,1e-999999999999999999999998]`, nil},
		{"huge exponents that differ", `[1e999999999999999999999]`, `[1e999999999999999999998]`, []string{"changed [0]: 1e999999999999999999999 -> 1e999999999999999999998"}},
		{"type", `1`, `"1"`, []string{`changed .: 1 -> "1"`}},
		{"kind of document", `{"a":1}`, `[1]`, []string{`changed .: {"a":1} -> [1]`}},
		{"null is a value", `{"a":null}`, `{}`, []string{"removed a: null"}},
		{"escapes", `["\ud83d\ude00","\/","\ud800"]`, `["😀","/","\uD800"]`, nil},
		{"half a pair is a value of its own", `["\ud800"]`, `["\ud801"]`, []string{`changed [0]: "\ud800" -> "\ud801"`}},
		{"not UTF-8", "[\"\xff\"]", "[\"\xfe\"]", []string{"changed [0]: \"\xff\" -> \"\xfe\""}},
		{"members", `{"a":1,"b":2,"c":3}`, `{"b":2.5,"d":4,"c":3}`, []string{"removed a: 1", "changed b: 2 -> 2.5", "added d: 4"}},
		{"names", `{"":1,"a/b":1,"c~d":1,"0":1,"ü":1,"e f":1}`, `{"":2,"a/b":2,"c~d":2,"0":2,"ü":2,"e f":2}`,
			[]string{`changed [""]: 1 -> 2`, `changed ["a/b"]: 1 -> 2`, `changed ["c~d"]: 1 -> 2`, `changed [0]: 1 -> 2`, `changed ü: 1 -> 2`, `changed ["e f"]: 1 -> 2`}},
		{"names written otherwise", `{"\u0061":1}`, `{"a":2}`, []string{"changed a: 1 -> 2"}},
		{"front", `[1,2,3]`, `[0,1,2,3]`, []string{"added [0]: 0"}},
		{"back", `[1,2,3]`, `[1,2,3,4]`, []string{"added [3]: 4"}},
		{"out of the middle", `[1,2,3]`, `[1,3]`, []string{"removed [1]: 2"}},
		{"in the middle", `[1,2,3]`, `[1,9,3]`, []string{"changed [1]: 2 -> 9"}},
		{"twice the same", `[1,1]`, `[1,1,1]`, []string{"added [2]: 1"}},
		{"all", `[1,2]`, `[]`, []string{"removed [0]: 1", "removed [1]: 2"}},
		{"an insertion and a change behind it", `{"m":[{"id":1,"x":1},{"id":2,"x":1}]}`, `{"m":[{"id":0},{"id":1,"x":1},{"id":2,"x":5}]}`,
			[]string{`added m[0]: {"id":0}`, "changed m[2].x (was m[1].x): 1 -> 5"}},
		{"by id, though little else is left", `[{"id":1,"t":"aaaaaaaaaa"},{"id":2,"t":"bbbbbbbbbb"}]`, `[{"id":9,"t":"zzzzzzzzzz"},{"id":1,"t":"cccccccccc"},{"id":2,"t":"dddddddddd"}]`,
			[]string{`added [0]: {"id":9,"t":"zzzzzzzzzz"}`, `changed [1].t (was [0].t): "aaaaaaaaaa" -> "cccccccccc"`, `changed [2].t (was [1].t): "bbbbbbbbbb" -> "dddddddddd"`}},
		{"by what resembles it", `[{"role":"user","content":"the quick brown fox"}]`, `[{"role":"tool","content":"something else"},{"role":"user","content":"the quick brown dog"}]`,
			[]string{`added [0]: {"role":"tool","content":"something else"}`, `changed [1].content (was [0].content): "the quick brown fox" -> "the quick brown dog"`}},
		{"a message's block", `[{"role":"user","content":[{"type":"text","text":"all of this is going to be in the new one"}]}]`, `[{"role":"user","content":[{"type":"text","text":"all of this is going to be in the new two"}]}]`,
			[]string{`changed [0].content[0].text: "all of this is going to be in the new one" -> "all of this is going to be in the new two"`}},
		{"replaced", `[{"a":1,"b":2}]`, `[{"c":3,"d":4}]`, []string{`changed [0]: {"a":1,"b":2} -> {"c":3,"d":4}`}},
		{"swapped", `["a","b"]`, `["b","a"]`, []string{`removed [0]: "a"`, `added [1]: "a"`}},
		{"duplicate names", `{"o":{"a":1,"a":2},"n":1}`, `{"o":{"a":1,"a":3},"n":2}`,
			[]string{`changed o: {"a":1,"a":2} -> {"a":1,"a":3}`, "changed n: 1 -> 2", "coarse o: an object with duplicate names is compared as one value"}},
		{"duplicate names that are equal", `{"a":1,"a":2}`, `{"a":1.0, "a":2}`, nil},
		{"duplicate names, in another order", `{"a":1,"a":2}`, `{"a":2,"a":1}`,
			[]string{`changed .: {"a":1,"a":2} -> {"a":2,"a":1}`, "coarse .: an object with duplicate names is compared as one value"}},
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range diffCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := requireDiff(t, []byte(c.old), []byte(c.new), statediff.Options{})
			require.Equal(t, c.want, lines(d))
			back := requireDiff(t, []byte(c.new), []byte(c.old), statediff.Options{})
			require.Len(t, back.Changes, len(d.Changes))
		})
	}
}

// TestFront inserts a message in front of 4,000 of which some are the same.
func TestFront(t *testing.T) {
	t.Parallel()
	messages := records(4000, 1)
	copy(messages[2000:], messages[:100])
	d := requireDiff(t, array(messages), array(append([]string{`{"role":"system"}`}, messages...)), statediff.Options{})
	require.Equal(t, []string{`added [0]: {"role":"system"}`}, lines(d))

	edited := append([]string{`{"role":"system"}`}, messages...)
	edited[3000] = strings.Replace(edited[3000], "user", "tool", 1)
	edited = append(edited[:1000:1000], edited[1001:]...)
	d = requireDiff(t, array(messages), array(edited), statediff.Options{})
	require.Equal(t, []string{
		`added [0]: {"role":"system"}`, "removed [999]: " + messages[999],
		`changed [2999].role: "user" -> "tool"`,
	}, lines(d))
}

func TestNeighbours(t *testing.T) {
	t.Parallel()
	d := requireDiff(t, state(199), state(200), statediff.Options{})
	require.Len(t, d.Changes, 4)
	require.Empty(t, d.Coarse)
	require.Equal(t, statediff.Pointer("/messages/199"), d.Changes[3].Path)
}

func TestBounds(t *testing.T) {
	t.Parallel()
	old, new := symbols(3000, 5, 1), symbols(3000, 5, 2)
	fine := requireDiff(t, old, new, statediff.Options{})
	require.Empty(t, fine.Coarse)
	coarse := requireDiff(t, old, new, statediff.Options{Effort: 1})
	require.Equal(t, []statediff.Coarse{{Path: "", Reason: statediff.Effort}}, coarse.Coarse)
	require.GreaterOrEqual(t, len(coarse.Changes), len(fine.Changes))

	// What is told as one is the innermost value with too much in it.
	old = fmt.Appendf(nil, `{"a":1,"big":%s,"z":1}`, old)
	new = fmt.Appendf(nil, `{"a":2,"big":%s,"z":2}`, new)
	d := requireDiff(t, old, new, statediff.Options{MaxChanges: 10})
	require.Len(t, d.Changes, 3)
	require.Equal(t, []statediff.Coarse{{Path: "/big", Reason: statediff.TooMany}}, d.Coarse)

	// Paths take room as well: 16,000 bytes here, of changes at paths of up to 900.
	d = requireDiff(t, nested(300, "1"), nested(300, "2"), statediff.Options{MaxChanges: 250})
	require.Less(t, len(d.Changes), 250)
	require.Equal(t, statediff.TooMany, d.Coarse[0].Reason)
}

// TestMemory isn't parallel, so that what others allocate isn't counted.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("large documents")
	}
	for _, p := range pairs {
		old, new := p.make()
		if len(old) < 5<<20 || p.name == "millions" || p.name == "empties" {
			continue // those take 24 bytes for each of their values, of two or three
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := statediff.Compare(old, new, statediff.Options{})
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12*(len(old)+len(new))), p.name)
	}
}

func TestNotJSON(t *testing.T) {
	t.Parallel()
	for doc, offset := range map[string]int{
		"": 0, " ": 1, "{": 1, "[1,]": 3, "[1 2]": 3, `{"a"1}`: 4, `{"a":1,}`: 7, "01": 1, "-": 1, "1.": 2, "1e": 2, "tru": 0, `"a`: 0,
		"\"\x01\"": 0, `"\x"`: 0, `"\u12g4"`: 0, "[1]]": 3, "nul": 0, "{1:2}": 1, "[" + strings.Repeat("[", 10_000): 10_000,
	} {
		_, err := statediff.Compare([]byte(doc), []byte("1"), statediff.Options{})
		var syntax *statediff.SyntaxError
		require.ErrorAs(t, err, &syntax, doc)
		require.ErrorContains(t, err, "the old document: not JSON at byte")
		if len(doc) < 100 {
			require.GreaterOrEqual(t, syntax.Offset, 0)
			require.LessOrEqual(t, syntax.Offset, len(doc))
		}
		if offset > 0 && offset < len(doc) {
			require.Equal(t, offset, syntax.Offset, doc)
		}
		_, err = statediff.Compare([]byte("1"), []byte(doc), statediff.Options{})
		require.ErrorContains(t, err, "the new document: not JSON")
	}
	_, err := statediff.Parse([]byte(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)))
	require.NoError(t, err)
	require.False(t, errors.Is(err, statediff.ErrNotFound))
}
