package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usageTemplate is cobra's, in Japanese.
const usageTemplate = `使い方:{{if .Runnable}}
  {{.UseLine}}{{if .HasAvailableFlags}} [オプション]{{end}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [コマンド]{{end}}{{if .HasExample}}

例:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

コマンド:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

オプション:
{{.LocalFlags.FlagUsages | kinds | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

共通のオプション:
{{.InheritedFlags.FlagUsages | kinds | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

「{{.CommandPath}} [コマンド] --help」で、それぞれの説明を表示します。{{end}}
`

// rootCommand makes the whole command line. Its commands return errors; run turns them
// into words and exit codes.
func rootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "kakehashi",
		Short: "架け橋: こども医療と庁内・庁外のシステムをつなぐゲートウェイ",
		Long: `架け橋（kakehashi）は、こども医療システムと、住民基本台帳・税務・団体内統合宛名などを
つなぐゲートウェイです。まず試すには:

  kakehashi demo

終了コード: 0 正常 / 4 警告 / 8 二重起動 / 12 相手先停止 / 16 設定・引数・権限 /
20 データ検査で中止 / 24 監査記録に書けない・不整合 / 28 中断 / 32 内部の誤り / 134 異常終了`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cobra.AddTemplateFunc("kinds", japaneseKinds)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate("{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}\n\n{{end}}{{.UsageString}}")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage{fmt.Errorf("%s: %s", c.CommandPath(), flagProblem(c, err))}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		demoCommand(s), initCommand(s), serveCommand(s), sandboxCommand(s),
		findCommand(s), lookupCommand(s), beneficiaryCommand(s), outboxCommand(s), inboxCommand(s), auditCommand(s),
		configCommand(s), mappingCommand(s), doctorCommand(s), migrateCommand(s), backupCommand(s),
		messageCommand(s), versionCommand(s),
	)
	root.SetHelpCommand(&cobra.Command{Use: "help [コマンド]", Short: "説明を表示します", Hidden: true,
		Run: func(c *cobra.Command, args []string) {
			if found, _, err := c.Root().Find(args); err == nil {
				_ = found.Help()
			}
		}})
	for _, c := range everyCommand(root) {
		c.DisableFlagsInUseLine = true
		c.InitDefaultHelpFlag()
		if f := c.Flags().Lookup("help"); f != nil {
			f.Usage = "この説明を表示します"
		}
	}
	return root
}

// japaneseKinds says in Japanese, as wide as before, what kind of value an option takes.
func japaneseKinds(usages string) string {
	return strings.NewReplacer(" stringArray ", " 値          ", " string ", " 値     ", " duration ", " 時間     ", " int ", " 数  ").Replace(usages)
}

func everyCommand(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, everyCommand(sub)...)
	}
	return all
}

// flagProblem says in Japanese what pflag says of a flag, without repeating a value.
func flagProblem(c *cobra.Command, err error) string {
	text := err.Error()
	name, _, _ := strings.Cut(text, "\n")
	switch {
	case strings.HasPrefix(text, "unknown flag: "), strings.HasPrefix(text, "unknown shorthand flag: "):
		_, flag, _ := strings.Cut(name, ": ")
		flag, _, _ = strings.Cut(flag, "=")
		flag, _, _ = strings.Cut(flag, " in ") // of a shorthand the letter alone
		var known []string
		for line := range strings.Lines(c.Flags().FlagUsages()) {
			_, usage, _ := strings.Cut(line, "--")
			if fields := strings.Fields(usage); len(fields) > 0 {
				known = append(known, "--"+fields[0])
			}
		}
		return "知らないオプションです" + perhaps(flag, known)
	case strings.HasPrefix(text, "flag needs an argument: "):
		return "オプションに値がありません: " + strings.TrimPrefix(name, "flag needs an argument: ")
	case strings.HasPrefix(text, "invalid argument"):
		if _, after, ok := strings.Cut(text, " for "); ok {
			flag, _, _ := strings.Cut(after, " flag")
			return "オプションの値を読めません: " + flag
		}
		return "オプションの値を読めません"
	default:
		return "オプションを読めません"
	}
}

// perhaps repeats a word that was not understood and names those that were perhaps meant,
// as cobra measures it. What is no plain word may be a value out of its place, such as a
// name, and is not repeated.
func perhaps(word string, known []string) string {
	if strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz-'") != "" {
		return ""
	}
	measure := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range known {
		measure.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	if near := measure.SuggestionsFor(word); len(near) > 0 {
		return ": " + word + "（もしかして: " + strings.Join(near, ", ") + "）"
	}
	return ": " + word
}

// noArguments refuses arguments, and names the command that was perhaps meant.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		var known []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				known = append(known, sub.Name())
			}
		}
		return usage{errors.New("知らないコマンドです" + perhaps(args[0], known))}
	}
	return usage{fmt.Errorf("%s には余分な引数があります", c.CommandPath())}
}

// arguments takes between least and most arguments, named in the use line.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage{fmt.Errorf("引数の数が違います: %s", c.UseLine())}
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArguments, RunE: func(c *cobra.Command, _ []string) error {
		_ = c.Help()
		return usage{fmt.Errorf("%s のあとにコマンドが必要です", c.CommandPath())}
	}}
	c.AddCommand(subs...)
	return c
}

// required marks flags without which a command means nothing; missing ones are named at once.
func required(c *cobra.Command, names ...string) {
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if before != nil {
			if err := before(c, args); err != nil {
				return err
			}
		}
		var missing []string
		for _, n := range names {
			if !c.Flags().Changed(n) {
				missing = append(missing, "--"+n)
			}
		}
		if len(missing) > 0 {
			return usage{fmt.Errorf("%s には次が必要です: %s", c.CommandPath(), strings.Join(missing, " "))}
		}
		return nil
	}
}

// jsonFlag adds --json, which every command that says something has.
func jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "結果をJSONで出します")
}
