package address

import (
	"context"

	"kakehashi/internal/fault"
	"kakehashi/internal/ledger"
	"kakehashi/mapping"
)

// What is written, and how the system is asked back.
const (
	numbering  = "app_submit/v10/jutogaishaatenabangofuban" // 住登外者宛名番号付番
	use        = "app_submit/v10/gyomuriyotoroku"           // 業務利用登録
	mailing    = "app_submit/v10/sofusakitoroku"            // 送付先登録
	askUse     = "app_submit/v10/gyomuriyoshokai"           // 業務利用照会
	askMailing = "app_submit/v10/sofusakishokai"            // 送付先照会
)

// deliveryTarget is the name of the client for writes. Lookups have another: a backlog of
// deliveries must not take the permits of staff who wait, nor its trouble open their breaker.
const deliveryTarget = string(ledger.Address) + "-delivery"

// deliveryScopes are those of the writes and of what confirms them.
func deliveryScopes() []string {
	const create = ":Create"
	return []string{
		business + ":" + numbering + create, business + ":" + use + create, business + ":" + mailing + create,
		scope(askUse), scope(askMailing), scope(search),
	}
}

// Prepare writes the letter of a change: the same change gives the same letter. It calls
// nobody. Invalid: the system is not told of this kind of change, or the change lacks what
// the interface requires.
func (c *Client) Prepare(_ context.Context, change ledger.Change) (ledger.Letter, error) {
	letter := ledger.Letter{Key: string(change.ID)}
	var err error
	switch change.Kind {
	case ledger.Numbering:
		letter.Call = numbering
		letter.Body, err = c.letters.Numbering(change)
	case ledger.PersonUse:
		letter.Call = use
		letter.Body, err = c.letters.Use(change)
	case ledger.MailingChange:
		letter.Call = mailing
		letter.Body, err = c.letters.Mailing(change)
	default:
		err = notTold()
	}
	if err != nil {
		return ledger.Letter{}, err
	}
	return letter, nil
}

// Send sends a letter, once. Nil: it took effect, and the receipt holds the number that a
// numbering gave. Unavailable: nothing happened. Rejected: the system refused it and named
// why. Unsure: it may have taken effect, an answer that cannot be read included.
func (c *Client) Send(ctx context.Context, letter ledger.Letter) (ledger.Receipt, error) {
	read := mapping.NumberingReceipt
	switch letter.Call {
	case numbering:
	case use:
		read = func(body []byte) (ledger.Receipt, error) { return mapping.UseReceipt(body, letter.Body) }
	case mailing:
		read = func(body []byte) (ledger.Receipt, error) { return mapping.MailingReceipt(body, letter.Body) }
	default:
		return ledger.Receipt{}, notTold()
	}
	body, err := c.delivery.Send(ctx, letter.Call, letter.Key, letter.Body)
	if err != nil {
		return ledger.Receipt{}, err
	}
	receipt, err := read(body)
	return receipt, c.delivery.Doubt(letter.Call, err)
}

// Confirm asks the system whether a change took effect. Nil: it did, and this is its
// receipt; of a mailing address also where a later one of the beneficiary took its place.
// NotFound: it did not. Unavailable: the system cannot be asked for now. Unsure: its answer
// does not tell, or it will not be asked. Calling twice is safe.
func (c *Client) Confirm(ctx context.Context, change ledger.Change) (ledger.Receipt, error) {
	var resource string
	var request []byte
	var read func([]byte) (ledger.Receipt, error)
	switch change.Kind {
	case ledger.Numbering:
		var err error
		if request, err = c.letters.AskNumbering(change); err != nil {
			return ledger.Receipt{}, err
		}
		resource = search
		read = func(body []byte) (ledger.Receipt, error) { return c.letters.ConfirmNumbering(body, change) }
	case ledger.PersonUse:
		resource, request = askUse, c.letters.AskUse(change)
		read = func(body []byte) (r ledger.Receipt, err error) { return r, c.letters.ConfirmUse(body, change) }
	case ledger.MailingChange:
		resource, request = askMailing, c.letters.AskMailing(change)
		read = func(body []byte) (r ledger.Receipt, err error) { return r, c.letters.ConfirmMailing(body, change) }
	default:
		return ledger.Receipt{}, notTold()
	}
	body, err := c.delivery.Read(ctx, resource, request)
	if err != nil {
		return ledger.Receipt{}, unasked(err)
	}
	receipt, err := read(body)
	return receipt, c.delivery.Explain(resource, err)
}

// unasked makes Unsure of a refusal to be asked, which says nothing of the change.
func unasked(err error) error {
	if f := fault.Find(err); f.Kind == fault.Denied || f.Kind == fault.Rejected {
		return fault.New(fault.Unsure, "ask back: %w", err).WithCode("KKH2215").WithReason(f.Reason)
	}
	return err
}

func notTold() error {
	return fault.New(fault.Invalid, "the unified address system is not told of this kind of change").WithCode("KKH2211")
}
