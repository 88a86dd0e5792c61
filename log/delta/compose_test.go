package delta_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

func TestComposeChains(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 4))
		links := 1 + rng.IntN(256)
		states := [][]byte{randomState(rng)}
		var whole *delta.Delta
		for range links {
			base := states[len(states)-1]
			target := change(rng, base)
			if len(target) > 20_000 {
				target = target[:10_000]
			}
			states = append(states, target)
			d, err := delta.Parse(delta.Encode(nil, base, target), len(target))
			require.NoError(t, err)
			if whole == nil {
				whole = d
			} else {
				whole, err = delta.Compose(whole, d)
				require.NoError(t, err)
			}
			requireMakes(t, whole, states[0], target)
		}
		requireAnyGrouping(t, rng, states)
	}
}

// requireAnyGrouping composes neighbours at random until one delta is left.
func requireAnyGrouping(t *testing.T, rng *rand.Rand, states [][]byte) {
	t.Helper()
	ds := parseAll(t, encodeChain(states))
	for len(ds) > 1 {
		k := rng.IntN(len(ds) - 1)
		d, err := delta.Compose(ds[k], ds[k+1])
		require.NoError(t, err)
		ds = slices.Replace(ds, k, k+2, d)
	}
	requireMakes(t, ds[0], states[0], states[len(states)-1])
}

func requireMakes(t *testing.T, d *delta.Delta, base, target []byte) {
	t.Helper()
	require.Equal(t, len(target), d.TargetLen())
	got, err := d.Apply(nil, base)
	require.NoError(t, err)
	require.Equal(t, string(target), string(got))
}

func TestComposeWorkloads(t *testing.T) {
	t.Parallel()
	document, _ := documentStates()
	for _, states := range [][][]byte{transcriptStates(), document} {
		whole := &delta.Delta{}
		for k, d := range parseAll(t, encodeChain(states)) {
			var err error
			if k == 0 {
				whole = d
			} else {
				whole, err = delta.Compose(whole, d)
				require.NoError(t, err)
			}
		}
		requireMakes(t, whole, states[0], states[len(states)-1])

		stored, err := delta.Parse(whole.Append(nil), whole.TargetLen())
		require.NoError(t, err)
		requireMakes(t, stored, states[0], states[len(states)-1])
		t.Logf("%d states: %d operations, %d stored", len(states), whole.Ops(), stored.Ops())
	}
}

func TestComposeAliasesLiterals(t *testing.T) {
	t.Parallel()
	states := [][]byte{[]byte("one two three four"), []byte("one 2 three four, five"), []byte("one 2 three 4, five")}
	deltas := encodeChain(states)
	parsed := parseAll(t, deltas)
	whole, err := delta.Compose(parsed[0], parsed[1])
	require.NoError(t, err)
	got, err := whole.Apply(nil, states[0])
	require.NoError(t, err)

	// What Apply returned is the caller's: writing to it changes no delta.
	clear(got)
	requireMakes(t, whole, states[0], states[2])
	requireMakes(t, parsed[0], states[0], states[1])
	requireMakes(t, parsed[1], states[1], states[2])

	// Its literals are the deltas' own bytes, so no composing copies them.
	clear(deltas[0])
	clear(deltas[1])
	got, err = whole.Apply(nil, states[0])
	require.NoError(t, err)
	require.Len(t, got, len(states[2]))
	require.NotEqual(t, string(states[2]), string(got))
}

func TestComposeWrongBase(t *testing.T) {
	t.Parallel()
	ds := parseAll(t, [][]byte{delta.Encode(nil, []byte("a"), []byte("ab")), delta.Encode(nil, []byte("abc"), []byte("abcd"))})
	_, err := delta.Compose(ds[0], ds[1])
	require.ErrorIs(t, err, delta.ErrBase)
	var e *delta.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, [2]uint64{2, 3}, [2]uint64{e.Have, e.Want})
}

// Not parallel: it counts what is allocated.
func TestComposeTooComplex(t *testing.T) {
	// Each of the newer's copies takes all of the older's pieces: 2,000 times 2,000 operations, were there no bound.
	pieces, all := body(1<<12, 2000, 2000), body(2000, 2000*2000, 2000)
	for k := range 2000 {
		pieces = pieces.copy(1, k%2*9)
		all = all.copy(2000, 0)
	}
	// And each of these takes one byte of the one literal.
	literal, bytes := body(0, 10, 1).literal(10).bytes("0123456789"), body(10, 70_000, 70_000)
	for k := range 70_000 {
		bytes = bytes.copy(1, k%2*9)
	}
	for _, pair := range [][][]byte{{pieces.seal(), all.seal()}, {literal.seal(), bytes.seal()}} {
		ds := parseAll(t, pair)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := delta.Compose(ds[0], ds[1])
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, delta.ErrTooComplex)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))

		// One after the other is still possible.
		between, err := ds[0].Apply(nil, make([]byte, ds[0].BaseLen()))
		require.NoError(t, err)
		got, err := ds[1].Apply(nil, between)
		require.NoError(t, err)
		require.Len(t, got, ds[1].TargetLen())
	}
}
