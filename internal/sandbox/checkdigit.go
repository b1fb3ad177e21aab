package sandbox

// atenaCheck gives the check digit of a 宛名番号 or 団体内統合宛名番号 by modulus 11 with
// the weights 2 to 7 from the right. It is false for a remainder of 1, which the standard
// leaves undefined: the city skips such serials.
func atenaCheck(body string) (digit byte, ok bool) {
	sum, weight := 0, 2
	for i := len(body) - 1; i >= 0; i-- {
		sum += int(body[i]-'0') * weight
		if weight++; weight > 7 {
			weight = 2
		}
	}
	switch r := sum % 11; r {
	case 0:
		return '0', true
	case 1:
		return 0, false
	default:
		return byte('0' + 11 - r), true
	}
}

// individualCheck gives the check digit of a 個人番号 over its eleven leading digits
// (平成26年総務省令第85号 第5条): a remainder of 0 or 1 gives 0.
func individualCheck(body string) byte {
	sum := 0
	for n := 1; n <= 11; n++ {
		q := n + 1
		if n > 6 {
			q = n - 5
		}
		sum += int(body[11-n]-'0') * q
	}
	if r := sum % 11; r > 1 {
		return byte('0' + 11 - r)
	}
	return '0'
}

// municipalityCheck gives the check digit of a 全国地方公共団体コード over its five leading
// digits: the last digit of 11 less the remainder.
func municipalityCheck(body string) byte {
	sum := 0
	for i := range 5 {
		sum += int(body[i]-'0') * (6 - i)
	}
	return byte('0' + (11-sum%11)%10)
}
