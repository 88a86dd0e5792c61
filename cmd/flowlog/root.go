package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// cli is what the verbs share: the streams and the flags that all of them have.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	out   *screen  // stdout, from when the flags are known
	pager *pager   // where it goes; nil if it goes there itself
	said  []string // lines for stderr that wait for the pager

	store   string
	color   string
	wait    time.Duration
	times   timeFormat
	noPager bool
	redact  []string
	warned  bool // of what may be missing of the store

	verbs []string // of those, what takes a store
}

// root returns the command with its verbs.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "flowlog",
		Short: "flowlog looks into the checkpoints of workflow runs.",
		Long: `Flowlog looks into the checkpoints of workflow runs, and makes them small.

What is asked for goes to stdout, all else to stderr. Exit codes: 0 fine, 1 it
differs, is damaged or nothing matched, 2 wrong use or a failure, 3 no such run,
event or value, 4 another process holds the store, 130 interrupted.`,
		Example: `  flowlog demo                       an agent is killed, resumes and goes back
  flowlog runs                       the runs of a store, newest first
  flowlog history @last              what happened in the newest, and what each step changed
  flowlog diff '@last@review#2'      what one step changed, in full
  flowlog blame @last verdict        which event set a value, and what it was before
  flowlog show @last@12              one event and its state
  flowlog grep 'rate limit' @last    where a text came into the states
  flowlog stats @last                what takes the time and the space
  flowlog fork '@last@review#2'      go back: a new run from there, and what runs next
  flowlog tail @last -f              its newest events, and those that come
  flowlog pin '@last@review#2'       keep a run or an event from being pruned; label names it
  flowlog compact                    make a store smaller, losing nothing
  flowlog prune --older-than 30d -n  what would go if older states were dropped
  flowlog export RUN -O FILE         a run as a file; import makes the same run of it
  flowlog verify                     check all runs against their hashes`,
		Version:                    version(),
		Args:                       cobra.ArbitraryArgs,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE:          func(*cobra.Command, []string) error { return c.openScreen() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.store, "store", "", "sqlite:PATH, bolt:PATH, PATH, or a folder with one\nstore (default $FLOWLOG_STORE, else the one store\nin ., ./flowlog-demo and ./data)")
	flags.StringVar(&c.color, "color", "auto", "auto, always or never; auto honours NO_COLOR")
	flags.DurationVar(&c.wait, "wait", 5*time.Second, "how long to wait while another process holds the\nstore; then the exit code is 4")
	flags.Var(&c.times, "time", "auto, relative or iso; auto is iso unless stdout is a\nterminal")
	flags.BoolVar(&c.noPager, "no-pager", false, "show all at once, also on a terminal")
	flags.StringArrayVar(&c.redact, "redact", nil, "show what is at this path of states masked; may be\ngiven several times")
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.SetHelpTemplate(helpTemplate)
	root.SetVersionTemplate("flowlog {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root && cmd.Flags().NArg() > 0 { // the flag is of the verb that was meant
			return unknownVerb(cmd, cmd.Flags().Arg(0))
		}
		return usage("%s`%s --help` lists the flags", wrongFlag(cmd, err), cmd.CommandPath())
	})
	root.AddCommand(c.demo(), c.runs(), c.history(), c.show(), c.diff(), c.blame(), c.grep(), c.stats(), c.branches(), c.fork(), c.label(), c.pin(), c.unpin(), c.tail(), c.du(), c.compact(), c.prune(), c.redactStates(), c.verify(), c.export(), c.importFiles(), c.completion())
	for _, verb := range root.Commands() {
		if verb.Name() != "demo" && verb.Name() != "completion" {
			c.verbs = append(c.verbs, verb.Name())
		}
	}
	return root
}

// helpTemplate puts the examples first: they are what one looks for.
const helpTemplate = `{{with .Example}}{{.}}

{{end}}{{with or .Long .Short}}{{.}}

{{end}}Usage: {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags]{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
Verbs:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of every verb:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func unknownVerb(cmd *cobra.Command, name string) error {
	hint := ""
	if list := cmd.SuggestionsFor(name); len(list) > 0 {
		hint = fmt.Sprintf("did you mean %s? ", strings.Join(list, " or "))
	}
	return usage("there is no verb %q; %s`flowlog --help` lists them", name, hint)
}

// arguments returns a check that as many arguments were given as names say.
func arguments(names ...string) cobra.PositionalArgs {
	return between(len(names), len(names), names...)
}

// between is arguments for a verb that can do without the last ones.
func between(least, most int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > most:
			return usage("%s does not know what to do with %q; `%s --help` shows examples", cmd.Name(), args[most], cmd.CommandPath())
		case len(args) < least:
			name := names[len(args)]
			if name == "REF" || name == "RUN" {
				name += ", such as @last"
			}
			return usage("%s needs a %s; `%s --help` shows examples", cmd.Name(), name, cmd.CommandPath())
		}
		return nil
	}
}

// format is how a verb writes what it found.
type format string

const (
	formatText  format = "text"
	formatJSON  format = "json"
	formatJSONL format = "jsonl"
)

// outputFlag gives a command the flag -o.
func outputFlag(cmd *cobra.Command) *format {
	f := formatText
	cmd.Flags().VarP(&f, "output", "o", "text, json, or jsonl for one JSON value a line")
	return &f
}

// String, Set and Type make format a flag.
func (f *format) String() string { return string(*f) }

func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatJSON, formatJSONL:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("it is text, json or jsonl")
}

func (f *format) Type() string { return "format" }

// say writes a line that is no data, after the data so far.
func (c *cli) say(format string, args ...any) {
	line := printable(c.withStore(fmt.Sprintf(format, args...)))
	if c.pager != nil { // it has the screen
		c.said = append(c.said, line)
		return
	}
	c.out.flush()
	fmt.Fprintln(c.stderr, line)
}

func (c *cli) openScreen() error {
	file, _ := c.stdout.(*os.File)
	out, err := newScreen(file, c.stdout, c.color)
	c.out = out
	return err
}
