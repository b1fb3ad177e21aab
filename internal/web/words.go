package web

import "kakehashi/internal/ledger"

// The words of the screens for what the API says in English, so that the command line says
// the same as the pages.

// ItemWord gives the word of an item: 氏名 for name.
func ItemWord(item string) string { return itemWord(ledger.Item(item)) }

// SourceWord gives the word of a source: 課税区分 for tax.
func SourceWord(source string) string { return sourceWord(ledger.System(source)) }

// OutcomeText gives the sentence for how the question to a source ended.
func OutcomeText(outcome, reason, source string) string {
	v := verdictOf(ledger.Outcome(outcome), reason, ledger.System(source), "")
	if v.Text == "" {
		return v.Word
	}
	return v.Text
}

// WhyWord says why an item is kept back.
func WhyWord(why string) string { return whyWord(why) }

// ResultWord gives the word for how a comparison came out, and by which rule.
func ResultWord(result, rule string) string {
	return resultWord(ledger.Result(result)) + "（" + ruleWord(rule) + "）"
}
