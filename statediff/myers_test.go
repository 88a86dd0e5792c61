package statediff_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

// TestLongestCommonSubsequence counts what remained in arrays of letters, which is as much as a table of all
// prefixes says that it can be.
func TestLongestCommonSubsequence(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 7))
		kinds := 1 + rng.IntN(12)
		old, new := make([]int, rng.IntN(40)), make([]int, rng.IntN(40))
		for i := range old {
			old[i] = rng.IntN(kinds)
		}
		for j := range new {
			new[j] = rng.IntN(kinds)
		}
		if seed%4 == 0 { // all differ
			old, new = rng.Perm(30), rng.Perm(25+rng.IntN(10))
		}
		a, err := statediff.Parse(numbers(old))
		require.NoError(t, err)
		b, err := statediff.Parse(numbers(new))
		require.NoError(t, err)
		same, last := 0, -1
		tracer := statediff.Trace(a, b, statediff.Options{})
		for j := range new {
			origin, err := tracer.Origin(statediff.Pointer("").Index(j))
			require.NoError(t, err)
			if origin.Kind == statediff.Added {
				continue
			}
			_, token := origin.Old.Parent()
			var i int
			fmt.Sscan(token, &i)
			require.Greater(t, i, last)
			last = i
			if origin.Kind == statediff.Same {
				require.Equal(t, old[i], new[j])
				same++
			}
		}
		require.Equal(t, longest(old, new), same, "%v %v", old, new)
	}
}

func numbers(all []int) []byte {
	text := make([]string, len(all))
	for i, n := range all {
		text[i] = fmt.Sprint(n)
	}
	return array(text)
}

func longest(a, b []int) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			up := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(up, row[j])
			}
			diagonal = up
		}
	}
	return row[len(b)]
}
