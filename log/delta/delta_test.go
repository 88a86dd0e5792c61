package delta_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

// pairCase is a base and a target, and the most bytes that the delta may take.
type pairCase struct {
	name         string
	base, target []byte
	most         int
}

func pairCases() []pairCase {
	text := newWriter(1).text(20_000)
	other := newWriter(2).text(20_000)
	noise := string(randomBytes(5, 20_000))
	records, inserted := recordArrays()
	cases := []pairCase{}
	add := func(name, base, target string, most int) {
		cases = append(cases, pairCase{name, []byte(base), []byte(target), most})
	}
	add("both empty", "", "", 8)
	add("from empty", "", text, len(text)+16)
	add("to empty", text, "", 10)
	add("one byte", "", "x", 10)
	add("one byte to another", "x", "y", 10)
	add("one byte kept", "x", "x", 10)
	add("equal", text, text, 16)
	add("edit at the start", "A"+text[1:], text, 20)
	add("edit at the end", text, text[:len(text)-1]+"Z", 20)
	add("edit in the middle", text, text[:9000]+"edited"+text[9006:], 30)
	add("edit that lengthens", text, text[:9000]+"edited"+text[9001:], 30)
	add("insertion of a little", text, text[:7000]+noise[:40]+text[7000:], 40+24)
	add("insertion of much", text, text[:7000]+noise[:9000]+text[7000:], 9000+24)
	add("two insertions of much", text, text[:7000]+noise[:9000]+text[7000:12_000]+noise[9000:16_000]+text[12_000:], 16_000+64)
	add("deletion", text, text[:7000]+text[11_000:], 24)
	add("two deletions", text, text[:3000]+text[9000:12_000]+text[19_000:], 48)
	add("append", text, text+other[:2000], 2000+24)
	add("prepend", text, other[:2000]+text, 2000+24)
	add("prefix only", text, text[:10_000]+noise[:10_000], 10_000+24)
	add("suffix only", text, noise[:10_000]+text[10_000:], 10_000+24)
	add("rotation", text, text[12_000:]+text[:12_000], 24)
	add("move", text, text[:2000]+text[8000:15_000]+text[2000:8000]+text[15_000:], 32)
	add("quotation", text, text+other[:100]+text[500:4500], 100+40)
	add("duplication", text, text+text+text, 32)
	add("halves of two", text+noise, noise[10_000:]+text[:10_000], 24)
	add("unrelated", text, noise, len(noise)+16)
	add("unrelated text", text, other, len(other)+16)
	add("zeros", string(make([]byte, 9000)), string(make([]byte, 15_000)), 40)
	add("zeros and then not", string(make([]byte, 9000)), string(make([]byte, 4000))+noise[:300]+string(make([]byte, 4000)), 340)
	add("periodic", strings.Repeat("abcdefg", 2000), strings.Repeat("efgabcd", 2000), 32)
	add("two periods", strings.Repeat("abcdefg", 2000), strings.Repeat("efgabcd-", 2000), 16_016)
	add("records inserted and edited", records, inserted, 500)
	return cases
}

// recordArrays are records that look much alike, and the same with some inserted and a field in front and one at the end
// edited: comparing in place finds a little in common everywhere, and nearly everything a record further on.
func recordArrays() (before, after string) {
	record := func(k int) string {
		return `{"id":` + strings.Repeat("0", 3) + string(rune('a'+k%26)) + string(rune('a'+k/26%26)) + string(rune('a'+k/676)) +
			`,"kind":"measurement","unit":"celsius","source":"sensor in the hall","valid":true,"comment":null},`
	}
	var a, b strings.Builder
	a.WriteString(`{"n":1,`)
	b.WriteString(`{"n":2,`)
	for k := range 500 {
		if k == 100 || k == 300 {
			b.WriteString(record(k + 7000))
		}
		a.WriteString(record(k))
		b.WriteString(record(k))
	}
	a.WriteString(`"end":1}`)
	b.WriteString(`"end":2}`)
	return a.String(), b.String()
}

// roundTrip encodes, parses and applies, and returns the delta.
func roundTrip(t testing.TB, base, target []byte) []byte {
	t.Helper()
	b := delta.Encode(nil, base, target)
	require.LessOrEqual(t, len(b), len(target)+delta.MaxOverhead)
	d, err := delta.Parse(b, len(target))
	require.NoError(t, err)
	require.Equal(t, len(base), d.BaseLen())
	require.Equal(t, len(target), d.TargetLen())
	got, err := d.Apply(nil, base)
	require.NoError(t, err)
	require.True(t, bytes.Equal(target, got), "another target")
	require.Equal(t, b, d.Append(nil), "appended again, the delta is the same")
	return b
}

func TestPairs(t *testing.T) {
	t.Parallel()
	for _, c := range pairCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := roundTrip(t, c.base, c.target)
			t.Logf("base %d, target %d, delta %d bytes", len(c.base), len(c.target), len(b))
			require.LessOrEqual(t, len(b), c.most)
		})
	}
}

func TestTranscriptCostsWhatIsNew(t *testing.T) {
	t.Parallel()
	states := transcriptStates()
	total := 0
	for k := 1; k < len(states); k++ {
		b := roundTrip(t, states[k-1], states[k])
		require.LessOrEqual(t, len(b), len(states[k])-len(states[k-1])+100, "state %d", k)
		total += len(b)
	}
	t.Logf("%d states, the last %d bytes; deltas %d bytes, the messages %d", len(states), len(states[len(states)-1]),
		total, len(states[len(states)-1])-len(states[0]))
}

func TestDocumentCostsItsEdits(t *testing.T) {
	t.Parallel()
	states, literals := documentStates()
	total := 0
	for k := 1; k < len(states); k++ {
		b := roundTrip(t, states[k-1], states[k])
		require.LessOrEqual(t, len(b), literals[k]+1000, "version %d", k)
		total += len(b)
	}
	t.Logf("%d versions of %d bytes; deltas %d bytes each", len(states), len(states[0]), total/(len(states)-1))
}

func TestEncodeAppends(t *testing.T) {
	t.Parallel()
	base, target := []byte(newWriter(1).text(3000)), []byte(newWriter(1).text(3500))
	want := delta.Encode(nil, base, target)
	got := delta.Encode([]byte("before"), base, target)
	require.Equal(t, append([]byte("before"), want...), got)

	d, err := delta.Parse(want, len(target))
	require.NoError(t, err)
	state, err := d.Apply([]byte("before"), base)
	require.NoError(t, err)
	require.Equal(t, "before"+string(target), string(state))
}

func TestEncodeSameSlice(t *testing.T) {
	t.Parallel()
	state := []byte(newWriter(1).text(5000))
	roundTrip(t, state, state)
	roundTrip(t, state[:3000], state)
	roundTrip(t, state, state[100:])
}

func TestEncodeKeepsNothing(t *testing.T) {
	t.Parallel()
	base, target := []byte(newWriter(1).text(3000)), []byte(newWriter(2).text(3000))
	b := delta.Encode(nil, base, target)
	before := slices.Clone(b)
	clear(base)
	clear(target)
	require.Equal(t, before, b)
}

func TestApplyWrongBase(t *testing.T) {
	t.Parallel()
	base, target := []byte("the state before"), []byte("the state after")
	d, err := delta.Parse(delta.Encode(nil, base, target), 100)
	require.NoError(t, err)
	got, err := d.Apply([]byte("kept"), base[1:])
	require.ErrorIs(t, err, delta.ErrBase)
	require.Equal(t, "kept", string(got))
	var e *delta.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, [2]uint64{15, 16}, [2]uint64{e.Have, e.Want})
	require.EqualError(t, err, "wrong base for delta: base length: have 15, want 16")
}

func TestZeroDelta(t *testing.T) {
	t.Parallel()
	var d delta.Delta
	got, err := d.Apply(nil, nil)
	require.NoError(t, err)
	require.Empty(t, got)
	again, err := delta.Parse(d.Append(nil), 0)
	require.NoError(t, err)
	require.Zero(t, again.BaseLen()+again.TargetLen()+again.Ops())
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	states := transcriptStates()[:40]
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for k := 1; k < len(states); k++ {
				from, to := states[(k+g*7)%len(states)], states[(k*3+g)%len(states)]
				d, err := delta.Parse(delta.Encode(nil, from, to), len(to))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := d.Apply(nil, from); err != nil || !bytes.Equal(got, to) {
					t.Errorf("another target, error %v", err)
				}
			}
		})
	}
	wg.Wait()
}
