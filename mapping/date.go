package mapping

import (
	"strings"

	"kakehashi/internal/ledger"
)

// CheckDate checks a date as people and systems write it, in either calendar and any
// width (ledger.ReadDate), and gives it in the other calendar. A date known in part (不詳)
// is valid as such, and so are the two open ends of the standard. A day on which its era
// had ended or not begun is doubtful, with the day meant; a day before 明治6年 too, because
// the old calendar is not converted.
func CheckDate(value string) Verdict {
	switch strings.TrimSpace(value) {
	case "":
		return Verdict{Wrong, "値がありません。令和6年4月1日、R6.4.1、2024-04-01のように入力してください。"}
	case openStart:
		return Verdict{Valid, "始まりの定めがないことを表す日付です。"}
	case openEnd:
		return Verdict{Valid, "終わりの定めがないことを表す日付です。"}
	}
	read, ok := ledger.ReadDate(value)
	if !ok {
		return Verdict{Wrong, "日付として読めないか、ない日付です。令和6年4月1日、R6.4.1、2024-04-01のように入力してください。"}
	}
	d := read.Date
	switch {
	case read.OldCalendar:
		return Verdict{Doubtful, "明治5年以前は旧暦のため換算できません。西暦で入力してください。"}
	case read.Shifted:
		plain := d
		plain.Note = ""
		return Verdict{Doubtful, plain.Wareki() + "として扱います。元号を確かめてください。"}
	case d.Approximate():
		return Verdict{Valid, "およその日付です（" + known(d) + "）。"}
	}
	switch d.Precision() {
	case "day":
		return Verdict{Valid, d.Wareki() + "（" + d.String() + "）です。"}
	case "unknown":
		return Verdict{Valid, "不詳の日付です。"}
	default:
		return Verdict{Valid, "一部が不詳の日付です（" + known(d) + "）。"}
	}
}

// known says in both calendars what is known of a date.
func known(d ledger.Date) string {
	iso := d.String()
	d.Note = ""
	return d.Wareki() + "、西暦" + iso
}
