package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestInFlags: what the trail calls policies is shown as the flags that were typed, and
// what somebody gave as a reason is left as it is.
func TestInFlags(t *testing.T) {
	t.Parallel()
	for want, policy := range map[string]checkpoint.Policy{
		"--keep-last 3":                       compaction.KeepLast(3),
		"--older-than 30d":                    compaction.KeepFor(30 * 24 * time.Hour),
		"--older-than 12h":                    compaction.KeepFor(12 * time.Hour),
		"--older-than 1m30s --graph essay":    compaction.KeepFor(90 * time.Second).ForGraph("essay"),
		"--keep-newest-per-node":              compaction.KeepNewestPerNode(),
		"--keep-newest-per-node --graph a, b": compaction.KeepNewestPerNode().ForGraph("a, b"),
		"--keep-label gold":                   compaction.KeepLabelled("gold", ""),
		"--keep-label gold=24h":               compaction.KeepLabelled("gold", "24h"),
		"--keep-label gold=a, b":              compaction.KeepLabelled("gold", "a, b"),
		"--drop-idle 90d":                     compaction.DropRunsIdle(90 * 24 * time.Hour),
		"keep-all":                            compaction.KeepAll(),
	} {
		require.Equal(t, want, inFlags(policy.String()))
	}
	for policies, want := range map[string]string{
		"keep-labelled gold=yes, keep-for 14d, keep-last 5": "--keep-label gold=yes, --older-than 14d, --keep-last 5",
		"keep-all, drop-runs-idle 1h30m0s":                  "--drop-idle 1h30m",
		"keep-last 3 of graph a, keep-last 3 of graph b":    "--keep-last 3 --graph a, --keep-last 3 --graph b",
		"keep the newest":   "keep the newest",
		"keep-last orders":  "keep-last orders",
		"keep-for the boss": "keep-for the boss",
		"":                  "",
	} {
		require.Equal(t, want, inFlags(policies))
	}
}
