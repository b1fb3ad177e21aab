package main

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// arrival is the body of an answer.
type arrival struct {
	ID          string `json:"id"`
	Destination string `json:"destination,omitzero"`
	AtenaNumber string `json:"atena_number,omitzero"`
	Reason      string `json:"reason"`
}

func outboxAnswerCommand(s streams) *cobra.Command {
	var at server
	var body arrival
	var arrived, asJSON bool
	c := &cobra.Command{
		Use:   "answer ID",
		Short: "届いたかどうか分からない変更に、相手先で届いていたと答えます",
		Long: `届いたかどうか分からずに配信不能になった変更に、相手先の画面で届いていたのを確かめたと答えます。
送信済みになり、同じ台帳の後の変更が進みます。取り消せません。付番のときは、付いた宛名番号が要ります。`,
		Example: `  kakehashi outbox answer --dir DIR C-… --arrived --reason 相手先の画面で確認
  kakehashi outbox answer --dir DIR C-… --arrived --reason 相手先の画面で確認 --atena-number 9900000001`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if !arrived || body.Reason == "" {
				return usage{errors.New("--arrived と --reason（理由）が必要です。届いていないときは replay で再送します")}
			}
			gateway, err := at.connect("operator")
			if err != nil {
				return err
			}
			body.ID = args[0]
			var raw jsontext.Value
			if err := gateway.post(c.Context(), "/v1/outbox/answers", body, &raw); err != nil {
				return err
			}
			if asJSON {
				_, err = fmt.Fprintln(s.out, string(raw))
			} else {
				_, err = fmt.Fprintf(s.out, "%s は届いていたと記録し、送信済みにしました。\n", body.ID)
			}
			return err
		},
	}
	at.flags(c)
	c.Flags().BoolVar(&arrived, "arrived", false, "相手先で届いているのを確かめた（必須）")
	c.Flags().StringVar(&body.AtenaNumber, "atena-number", "", "相手先で付いた宛名番号（付番のときだけ）")
	c.Flags().StringVar(&body.Destination, "destination", "", "届いていた相手先（一つに伝える変更なら要りません）")
	c.Flags().StringVar(&body.Reason, "reason", "", "理由（必須。記録に残ります。氏名や番号は書かないでください）")
	jsonFlag(c, &asJSON)
	return c
}
