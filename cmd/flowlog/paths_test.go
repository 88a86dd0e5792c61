package main

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

// TestLargestPathsOfDeepState wants no more paths to be made than are asked for: each of
// these takes 4 KB.
func TestLargestPathsOfDeepState(t *testing.T) {
	const depth = 2000
	state := strings.Repeat("[", depth) + `"22",1,"22",1,22` + strings.Repeat(",1", 50_000) + strings.Repeat("]", depth)
	doc, err := statediff.Parse([]byte(state))
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	list := largestPaths(doc, 5)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))

	at := statediff.Pointer(strings.Repeat("/0", depth-1))
	want := []pathSize{{at, "array", 100_018, 50_005}, {at.Index(0), "string", 4, 0}, {at.Index(2), "string", 4, 0}, {at.Index(4), "number", 2, 0}, {at.Index(1), "number", 1, 0}}
	require.Equal(t, want, list)
	require.Equal(t, want[:2], largestPaths(doc, 2))
}
