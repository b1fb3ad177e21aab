package mapping

import (
	"slices"
	"strings"
	"unicode"

	"kakehashi/internal/fault"
)

// State says how far a value is to be trusted.
type State string

// The states. Doubtful is for a person to look at; the value can be used.
const (
	Valid    State = "valid"
	Doubtful State = "doubtful"
	Wrong    State = "wrong"
)

// Verdict is what a check says of a value: the state and, in Japanese, why and what to do.
// The text never repeats a number.
type Verdict struct {
	State State
	Text  string
}

// codeKindUnknown is the message number of a kind of value that nothing checks.
const codeKindUnknown = "KKH0152"

// RemainderOne says what a city does with a 宛名番号 whose sum leaves the remainder 1: the
// standard does not define its check digit (CF21 2.3.5).
type RemainderOne string

// The two ways. Skip, the default, never assigns such a number; Zero gives it the digit 0.
const (
	RemainderOneSkip RemainderOne = "skip"
	RemainderOneZero RemainderOne = "zero"
)

// Kinds lists the kinds of values that Check knows, in the order of a help text.
func Kinds() []string {
	return []string{
		"individual-number", "municipality-code", "atena-number", "postal-code",
		"date", "insurer-number", "public-payer-number", "corporate-number",
	}
}

// Check checks a value of a kind. It is Invalid for a kind that Kinds does not list.
func Check(kind, value string) (Verdict, error) {
	switch kind {
	case "individual-number":
		return CheckIndividualNumber(value), nil
	case "municipality-code":
		return CheckMunicipalityCode(value), nil
	case "atena-number":
		return CheckAtenaNumber(value, RemainderOneSkip), nil
	case "postal-code":
		return CheckPostalCode(value), nil
	case "date":
		return CheckDate(value), nil
	case "insurer-number":
		return CheckInsurerNumber(value), nil
	case "public-payer-number":
		return CheckPublicPayerNumber(value), nil
	case "corporate-number":
		return CheckCorporateNumber(value), nil
	default:
		return Verdict{}, fault.New(fault.Invalid, "check a value: no such kind; there are %s",
			strings.Join(Kinds(), ", ")).WithCode(codeKindUnknown)
	}
}

// CheckIndividualNumber checks an individual number (個人番号, 平成26年総務省令第85号 第5条):
// twelve digits, the last the check digit.
func CheckIndividualNumber(value string) Verdict {
	if v := digits(value, "個人番号は12桁です。", 12); v.State == Wrong {
		return v
	}
	check := 0
	if rest := weigh(value[:11], 2, 7) % 11; rest > 1 {
		check = 11 - rest
	}
	return checkDigit(value[11], check)
}

// CheckMunicipalityCode checks 全国地方公共団体コード: six digits, the last the check digit,
// which here is the last digit of 11 minus the remainder (0 gives 1, 1 gives 0).
func CheckMunicipalityCode(value string) Verdict {
	if v := digits(value, "市区町村コードは検査数字を含む6桁です。", 6); v.State == Wrong {
		return v
	}
	return checkDigit(value[5], (11-weigh(value[:5], 2, 6)%11)%10)
}

// atenaLength is the most characters that a 宛名番号 has (ITEM56, X15).
const atenaLength = 15

// CheckAtenaNumber checks 宛名番号, and 団体内統合宛名番号, which are numbered alike: at most
// 15 half-width characters; in a new number all are digits and the last is the check digit
// (M11W2-7, remainder 0 gives 0). An old number may have any last digit and is doubtful,
// never wrong.
func CheckAtenaNumber(value string, remainderOne RemainderOne) Verdict {
	const form = "宛名番号は15桁以内の半角文字です。"
	if value == "" || strings.ContainsFunc(value, notGraph) {
		return misformed(value, form)
	}
	if len(value) > atenaLength {
		return Verdict{Wrong, form + "桁数を確かめてください。"}
	}
	old := Verdict{Doubtful, "検査数字が合いません。付番方式が変わる前の番号ならそのまま使えます。書き写しの誤りがないか確かめてください。"}
	if len(value) < 2 || strings.ContainsFunc(value, notDigit) {
		return Verdict{Doubtful, "検査数字のある番号の形ではありません。付番方式が変わる前の番号ならそのまま使えます。書き写しの誤りがないか確かめてください。"}
	}
	last := len(value) - 1
	rest := weigh(value[:last], 2, 7) % 11
	switch {
	case rest == 1 && remainderOne != RemainderOneZero:
		return old // such a number is not assigned
	case rest <= 1 && value[last] == '0', rest > 1 && int(value[last]-'0') == 11-rest:
		return Verdict{Valid, "検査数字は正しいです。"}
	default:
		return old
	}
}

// CheckPostalCode checks the form of 郵便番号: seven digits without a hyphen (ITEM56, X7).
// Whether it is in use it cannot tell.
func CheckPostalCode(value string) Verdict {
	if v := digits(value, "郵便番号はハイフンを除いた7桁です。", 7); v.State == Wrong {
		return v
	}
	return Verdict{Valid, "郵便番号の形として正しいです（実在するかどうかは確かめていません）。"}
}

// CheckInsurerNumber checks 保険者番号: eight digits (法別2 都道府県2 保険者別3 検証1), or six
// for 国民健康保険, whose check digit is commonly formed alike, but that could not be read in
// a source, so that a wrong one is doubtful only.
func CheckInsurerNumber(value string) Verdict {
	v := digits(value, "保険者番号は8桁（国民健康保険は6桁）です。", 8, 6)
	if v.State == Wrong {
		return v
	}
	last := len(value) - 1
	if v = checkDigit(value[last], payerDigit(value[:last])); v.State == Wrong && len(value) == 6 {
		return Verdict{Doubtful, "検証番号が合いません。被保険者証と見比べてください。"}
	}
	return prefecture(v, value[last-5:last-3])
}

// CheckPublicPayerNumber checks 公費負担者番号: eight digits (法別2 都道府県2 実施機関3 検証1).
func CheckPublicPayerNumber(value string) Verdict {
	if v := digits(value, "公費負担者番号は8桁です。", 8); v.State == Wrong {
		return v
	}
	return prefecture(checkDigit(value[7], payerDigit(value[:7])), value[2:4])
}

// prefecture makes a valid verdict doubtful where the 都道府県番号 is none that is assigned:
// 01 to 47, and each plus 50 once its range is used up.
func prefecture(v Verdict, number string) Verdict {
	n := int(number[0]-'0')*10 + int(number[1]-'0')
	if v.State == Valid && (n%50 == 0 || n%50 > 47) {
		return Verdict{Doubtful, "検証番号は正しいですが、都道府県番号が01～47、51～97のどれでもありません。書類と見比べてください。"}
	}
	return v
}

// CheckCorporateNumber checks 法人番号 (財務省令第70号 第2条): thirteen digits, the FIRST the
// check digit, 1 to 9.
func CheckCorporateNumber(value string) Verdict {
	if v := digits(value, "法人番号は13桁です。", 13); v.State == Wrong {
		return v
	}
	sum := 0
	for i := 12; i > 0; i-- {
		n := int(value[i] - '0')
		if (13-i)%2 == 0 {
			n *= 2
		}
		sum += n
	}
	return checkDigit(value[0], 9-sum%9)
}

// weigh sums the digits, each times its weight, which from the right goes up from the
// first to the last and begins again.
func weigh(body string, first, last int) int {
	sum, weight := 0, first
	for i := len(body) - 1; i >= 0; i-- {
		sum += int(body[i]-'0') * weight
		if weight++; weight > last {
			weight = first
		}
	}
	return sum
}

// payerDigit computes 検証番号 of 保険者番号 and 公費負担者番号: from the right times 2 and 1 in
// turn, the digits of each product summed, what is missing to the next ten.
func payerDigit(body string) int {
	sum, weight := 0, 2
	for i := len(body) - 1; i >= 0; i-- {
		n := int(body[i]-'0') * weight
		sum += n/10 + n%10
		weight = 3 - weight
	}
	return (10 - sum%10) % 10
}

func checkDigit(have byte, want int) Verdict {
	if int(have-'0') != want {
		return Verdict{Wrong, "検査数字が合いません。書き写しの誤りです。元の書類と見比べて入力し直してください。"}
	}
	return Verdict{Valid, "検査数字は正しいです。"}
}

// digits is Wrong, with a hint, for anything but half-width digits of one of the lengths.
func digits(value, form string, lengths ...int) Verdict {
	if value == "" || strings.ContainsFunc(value, notDigit) {
		return misformed(value, form)
	}
	if slices.Contains(lengths, len(value)) {
		return Verdict{Valid, form}
	}
	return Verdict{Wrong, form + "桁数を確かめてください。"}
}

// misformed says what keeps a value from being a number at all.
func misformed(value, form string) Verdict {
	switch {
	case value == "":
		return Verdict{Wrong, "値がありません。" + form}
	case strings.ContainsFunc(value, wide):
		return Verdict{Wrong, form + "全角の文字があります。半角で入力してください。"}
	case strings.ContainsFunc(value, unicode.IsSpace):
		return Verdict{Wrong, form + "空白を除いて入力してください。"}
	case strings.ContainsRune(value, '-'):
		return Verdict{Wrong, form + "ハイフンを除いて入力してください。"}
	default:
		return Verdict{Wrong, form + "半角の数字だけで入力してください。"}
	}
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

func notGraph(r rune) bool { return r <= ' ' || r > '~' }

func wide(r rune) bool { return r >= 0x3000 }
