package mapping

import (
	"slices"

	"github.com/go-json-experiment/json"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
)

// NoticeType is the one type of event that Notice reads. That systems of a city tell one
// another of 異動 is the standard's (庁内データ連携); which events there are, their type and
// their data are nobody's standard: these are the fictional city's, and a city with a form
// of its own replaces this file.
const NoticeType = "jp.lg.kakehashi.resident.changed.v1"

// Why a notice cannot be read: reasons of fault.Invalid, and their message numbers.
const (
	noticeType       = "unknown_type"
	noticeUnreadable = "unreadable"
	noticeKind       = "unknown_kind"
	noticePerson     = "no_person"

	codeNoticeType       = "KKH3522"
	codeNoticeUnreadable = "KKH3524"
	codeNoticeKind       = "KKH3525"
	codeNoticePerson     = "KKH3526"
)

// notice is the data of an event of NoticeType. Members that are not named here may stand
// beside them and are not read.
type notice struct {
	AtenaNumber text `json:"atena_number"`
	Kind        text `json:"kind"`      // a word of ledger.NoticeKinds
	Effective   text `json:"effective"` // 2026-11-20
}

// Notice reads the data of an event: whom it concerns, what happened, and since when. Every
// error is Invalid with one of four reasons: unknown_type, unreadable, unknown_kind,
// no_person. Its text repeats nothing of the data.
func Notice(kind string, data []byte) (ledger.Notice, error) {
	if kind != NoticeType {
		return ledger.Notice{}, unfitNotice(noticeType, codeNoticeType)
	}
	var n notice
	if err := json.Unmarshal(data, &n); err != nil {
		return ledger.Notice{}, unfitNotice(noticeUnreadable, codeNoticeUnreadable)
	}
	day, ok := ledger.ParseDate(n.Effective.value)
	read := ledger.Notice{
		Person: ledger.AtenaNumber(n.AtenaNumber.value), Kind: ledger.NoticeKind(n.Kind.value), Effective: day,
	}
	switch {
	case !read.Person.Valid():
		return ledger.Notice{}, unfitNotice(noticePerson, codeNoticePerson)
	case !slices.Contains(ledger.NoticeKinds(), read.Kind):
		return ledger.Notice{}, unfitNotice(noticeKind, codeNoticeKind)
	case !ok || day.Precision() != "day":
		return ledger.Notice{}, unfitNotice(noticeUnreadable, codeNoticeUnreadable)
	}
	return read, nil
}

func unfitNotice(reason, code string) error {
	return fault.New(fault.Invalid, "a change notice does not fit").WithReason(reason).WithCode(code)
}
