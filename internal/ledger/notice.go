package ledger

// NoticeKind says what happened to a resident, as one of the city's own systems tells it.
// The names are part of the API.
type NoticeKind string

// The kinds of notices (異動).
const (
	MovedIn          NoticeKind = "moved_in"   // 転入
	MovedOut         NoticeKind = "moved_out"  // 転出
	Died             NoticeKind = "died"       // 死亡
	Born             NoticeKind = "born"       // 出生
	DataChanged      NoticeKind = "changed"    // 記載事項の変更
	HouseholdChanged NoticeKind = "household"  // 世帯の変更
	ProtectionBegan  NoticeKind = "protection" // 支援措置の開始または終了
)

// NoticeKinds gives every kind.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{MovedIn, MovedOut, Died, Born, DataChanged, HouseholdChanged, ProtectionBegan}
}

// Notice is what a change notice (異動通知) says: that something happened to a person, not
// what the person's data are now. Those are asked for.
type Notice struct {
	Person    AtenaNumber
	Kind      NoticeKind
	Effective Date // 異動日, a whole day
}
