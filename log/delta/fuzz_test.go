package delta_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log/delta"
)

func FuzzRoundTrip(f *testing.F) {
	for _, c := range pairCases() {
		f.Add(c.base[:min(len(c.base), 4096)], c.target[:min(len(c.target), 4096)])
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 5))
		base := randomState(rng)
		f.Add(base, change(rng, base))
	}
	f.Fuzz(func(t *testing.T, base, target []byte) {
		roundTrip(t, base, target)
	})
}

// FuzzParse takes bytes as they come, and once more with a checksum that fits, since no fuzzer finds one.
func FuzzParse(f *testing.F) {
	base := []byte(newWriter(9).text(2000))
	for _, c := range damageCases() {
		f.Add(delta.Encode(nil, c.base, c.target))
	}
	f.Add(body(2000, 8, 3).copy(3, 1990).literal(2).copy(3, 0).bytes("ab").seal())
	f.Add(body(3, 9, 3).copy(3, 0).copy(3, 0).copy(3, 0).seal())
	f.Fuzz(func(t *testing.T, b []byte) {
		requireBounded(t, base, b)
		if len(b) < 5 {
			return
		}
		d := requireBounded(t, base, made{b: b[5:]}.seal())
		if d == nil {
			return
		}
		requireComposes(t, d, d)
		if d.BaseLen() <= 1<<20 {
			state, err := d.Apply(nil, make([]byte, d.BaseLen()))
			require.NoError(t, err)
			requireComposes(t, d, parseAll(t, [][]byte{delta.Encode(nil, state, base)})[0])
		}
	})
}

// requireComposes requires that two deltas composed make what one after the other does, or are refused for good reason.
func requireComposes(t *testing.T, older, newer *delta.Delta) {
	t.Helper()
	both, err := delta.Compose(older, newer)
	if older.TargetLen() != newer.BaseLen() {
		require.ErrorIs(t, err, delta.ErrBase)
		return
	}
	if err != nil {
		require.ErrorIs(t, err, delta.ErrTooComplex)
		return
	}
	require.LessOrEqual(t, both.Ops(), delta.MaxComposedOps)
	require.Equal(t, older.BaseLen(), both.BaseLen())
	require.Equal(t, newer.TargetLen(), both.TargetLen())
	if older.BaseLen() > 1<<20 {
		return
	}
	base := make([]byte, older.BaseLen())
	for k := range base {
		base[k] = byte(k * 7)
	}
	between, err := older.Apply(nil, base)
	require.NoError(t, err)
	want, err := newer.Apply(nil, between)
	require.NoError(t, err)
	requireMakes(t, both, base, want)

	stored, err := delta.Parse(both.Append(nil), both.TargetLen())
	require.NoError(t, err)
	requireMakes(t, stored, base, want)
}

// FuzzCompose makes chains of states from bytes and composes their deltas.
func FuzzCompose(f *testing.F) {
	for _, c := range pairCases() {
		f.Add(c.base[:min(len(c.base), 1024)], c.target[:min(len(c.target), 1024)], c.base[:min(len(c.base), 700)], uint64(1))
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 6))
		states := [][]byte{a, change(rng, a), b, change(rng, b), c, change(rng, c), a}
		ds := parseAll(t, encodeChain(states))
		whole := ds[0]
		for k, d := range ds[1:] {
			requireComposes(t, whole, d)
			var err error
			whole, err = delta.Compose(whole, d)
			require.NoError(t, err)
			requireMakes(t, whole, states[0], states[k+2])
		}
		requireAnyGrouping(t, rng, states)
	})
}
