# Every target sets up what it needs by itself. `make` alone lists them.
PYTHON := .venv/bin/python

.PHONY: help setup stories breaks demo pictures run test lint bench storm replay report study scale quiet backtest facts train evaluate fit

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-24s %s\n", $$1, $$2}'

setup: ## create .venv with everything that the other targets need
	@bash infra/setup.sh

lint: setup ## ruff and strict type checks
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy && $(PYTHON) -m infra.growth

test: lint ## everything that CI runs
	@$(PYTHON) -m pytest -n 2 --dist loadscope

stories: setup ## STORIES=2000: arbitrary stories of a shop, others each time, against every promise (tests/test_states.py)
	@case "$(or $(STORIES),2000)" in *[!0-9]*|0*) \
	  echo "stories: STORIES says how many, a whole number from 1 on, such as STORIES=2000" >&2; exit 2;; esac
	@EARSHOT_STORIES="$(or $(STORIES),2000)" $(PYTHON) -m pytest -x tests/test_states.py

breaks: setup ## break the product on purpose, in one way at a time, and show which test sees it
	@$(PYTHON) -m tests.breaks

demo: setup ## the main job, told as it happens, on this machine, in under a minute
	@$(PYTHON) -m infra.local.demo

pictures: setup ## draw what people read (e-mails, the desk) into build/pictures, with a headless Chromium
	@$(PYTHON) -m infra.local.pictures

run: setup ## keep Earshot running on this machine, with a page in the browser
	@$(PYTHON) -m infra.local.run

# --- packaging and operating; STAGE names the deployment, DEPLOYING.md and RUNBOOK.md tell more ---

STAGE ?= prod
OPS = $(PYTHON) -m infra.ops --stage "$(STAGE)"

.PHONY: package layers deploy rollback smoke costs doctor redrive rotate-secret rotate-key apps playbook erase export link backfill connect restore

package: setup ## [PLAYBOOK=mine.yaml]: build the template and the zip, and say what they weigh
	@$(PYTHON) -m infra.stack.package $(if $(PLAYBOOK),--playbook "$(PLAYBOOK)")

layers: setup ## build the layers of the reports' functions for Lambda, and say what they weigh
	@$(PYTHON) -m infra.stack.layers

deploy: setup ## STAGE=… [MAIL_FROM= MAIL_IDENTITY= ALARM_EMAIL= PLAYBOOK= TABLE=]: create or update the stack on AWS
	@$(PYTHON) -m infra.stack.deploy --stage "$(STAGE)" --MailFrom "$(MAIL_FROM)" --MailIdentity "$(MAIL_IDENTITY)" \
	  --AlarmEmail "$(ALARM_EMAIL)" --RetentionDays "$(RETENTION_DAYS)" --LogDays "$(LOG_DAYS)" \
	  --RespondConcurrency "$(RESPOND_CONCURRENCY)" --NotifyConcurrency "$(NOTIFY_CONCURRENCY)" --Memory "$(MEMORY)" --FactsWindow "$(FACTS_WINDOW)" \
	  --ReceiveConcurrency "$(RECEIVE_CONCURRENCY)" --Endpoint "$(ENDPOINT)" \
	  --TableCapacity "$(TABLE_CAPACITY)" --TableUnits "$(TABLE_UNITS)" \
	  --SilenceHours "$(SILENCE_HOURS)" --DomainName "$(DOMAIN_NAME)" --CertificateArn "$(CERTIFICATE_ARN)" \
	  --ReplyDomain "$(REPLY_DOMAIN)" --table "$(TABLE)" $(if $(PLAYBOOK),--playbook "$(PLAYBOOK)")

rollback: setup ## every function back to the version before, at once
	@$(PYTHON) -m infra.stack.rollback --stage "$(STAGE)"

smoke: setup ## deploy into an AWS emulator on this machine and send a webhook through
	@$(PYTHON) -m infra.local.smoke

costs: setup ## [REGION=us-east-1]: what Earshot costs a month on AWS, by component, before and now
	@$(PYTHON) -m infra.stack.cost_tables $(if $(REGION),--region "$(REGION)")

doctor: setup ## check registrations, e-mail, alarms, queues and what is overdue
	@$(OPS) doctor

redrive: setup ## QUEUE=inbox|due|escalations|mail-events|incoming-mail: put dead letters back on their queue
	@$(OPS) redrive --queue "$(QUEUE)"

rotate-secret: setup ## APP=platform/key: add a new secret (asked for), FINISH=1: drop the old ones
	@$(OPS) rotate-secret --platform "$(firstword $(subst /, ,$(APP)))" --app "$(lastword $(subst /, ,$(APP)))" \
	  $(if $(FINISH),--finish)

rotate-key: setup ## a new key for links and reply addresses; FRESH=1: begin anew, every link under way is void
	@$(OPS) rotate-key $(if $(FRESH),--fresh)

apps: setup ## FILE=apps.json: check the apps file and put it into the secret store
	@$(OPS) apps --file "$(FILE)"

playbook: setup ## FILE=mine.yaml: check a playbook and serve it within five minutes; VERSION=n: an older one; neither: list
	@$(OPS) playbook $(if $(FILE),--file "$(FILE)") $(if $(VERSION),--version "$(VERSION)")

erase: setup ## CUSTOMER=product:account:customer [REQUEST=code]: erase everything about a customer
	@$(OPS) erase --customer "$(CUSTOMER)" $(if $(REQUEST),--request "$(REQUEST)")

export: setup ## CUSTOMER=product:account:customer: print everything stored about a customer
	@$(OPS) export --customer "$(CUSTOMER)"

link: setup ## CUSTOMER=product:account:customer OTHER=the same BY=name: both are one person; UNDO=1: they are not
	@$(OPS) link --customer "$(CUSTOMER)" --other "$(OTHER)" --by "$(BY)" $(if $(UNDO),--undo)

backfill: setup ## ACCOUNT=product:id SINCE=36h: ask the platform for what was missed; or TABLE=name: a table that served before
	@$(OPS) backfill --account "$(ACCOUNT)" --table "$(TABLE)" --since "$(SINCE)"

restore: setup ## TO=2026-11-21T10:00Z or 36h: the table as it was then, as a new table
	@$(OPS) restore --to "$(TO)"

connect: setup ## [ACCOUNT=product:id] [DO=1]: register the webhooks at the platforms; without DO=1 only say what would be done
	@$(OPS) connect $(if $(ACCOUNT),--account "$(ACCOUNT)") $(if $(DO),--do)

replay: setup ## what would have happened: DELIVERIES=… APPS=… [OUT= PLAYBOOK= UNTIL=72h FACTS= REPORT=]; a sample without them
	@$(if $(DELIVERIES),$(if $(APPS),,echo "replay: DELIVERIES needs APPS, the apps file of whose they are" >&2; exit 2),\
	  $(PYTHON) -m infra.replay.sample --out build/deliveries.jsonl)
	@$(if $(APPS),,$(PYTHON) -m infra.local.demo_apps > /dev/null)
	@$(PYTHON) -m infra.replay "$(or $(DELIVERIES),build/deliveries.jsonl)" --apps "$(or $(APPS),build/demo_apps.json)" \
	  --out "$(or $(OUT),build/outcomes.jsonl)" $(if $(PLAYBOOK),--playbook "$(PLAYBOOK)") --until "$(or $(UNTIL),72h)" \
	  --report "$(or $(REPORT),build/report.html)" $(if $(FACTS),--facts "$(FACTS)")

report: setup ## FACTS=folder or STAGE=prod [SINCE=2026-10-01 UNTIL=2026-10-31 HANDLING=6 PLAYBOOK= APPS= LANGUAGE=de OUT=]: what was asked
	@$(PYTHON) -m infra.reports $(if $(FACTS),--facts "$(FACTS)",--stage "$(STAGE)") --out "$(or $(OUT),build/report.html)" \
	  $(if $(SINCE),--since "$(SINCE)") $(if $(UNTIL),--until "$(UNTIL)") $(if $(HANDLING),--handling "$(HANDLING)") \
	  $(if $(PLAYBOOK),--playbook "$(PLAYBOOK)") $(if $(APPS),--apps "$(APPS)") $(if $(LANGUAGE),--language "$(LANGUAGE)")

study: setup ## twenty shops and forty questions, as their people acted and with Earshot
	@$(PYTHON) -m infra.replay.study

scale: setup ## a year of a million questions: seconds, memory, and every figure held against the truth
	@$(PYTHON) -m infra.reports.scale

quiet: setup ## how often the watch for spikes is wrong in quiet weeks, and how soon it sees one
	@$(PYTHON) -m infra.reports.quiet

backtest: setup ## the forecast on the past of invented shops: how far off, and what its intervals covered, year by year
	@$(PYTHON) -m infra.reports.backtest

facts: setup ## STAGE=prod: write the facts of all that the stack's table holds anew
	@$(PYTHON) -m infra.reports --refill --stage "$(STAGE)"

train: setup ## train the shipped model anew; OWN=rows.csv adds your own labelled rows
	@$(PYTHON) -m models.train $(if $(OWN),--own "$(OWN)") --out models/intents.model
	@$(PYTHON) -m models.card

train-from-corrections: setup ## learn from what staff corrected: STAGE=prod; refuses a model that got worse
	@$(PYTHON) -m infra.ops.corrections --out build/corrections.jsonl --answers build/answers.jsonl --stage "$(STAGE)"
	@$(PYTHON) -m models.train_from_corrections --corrections build/corrections.jsonl \
	  --current models/intents.model --out models/intents.model

evaluate: setup ## the shipped model by nested cross-validation: table, curves, models/CARD.md; DATA=rows.jsonl scores those
	@$(PYTHON) -m $(if $(DATA),models.evaluate --data "$(DATA)",models.card $(if $(ALSO),--also "$(ALSO)"))

fit: setup ## what is said to messages that no training has seen: right, useless, wrong, by language and rung
	@$(PYTHON) -m models.fit_check $(if $(PLAYBOOK),--playbook "$(PLAYBOOK)") $(if $(WRONG),--wrong)

bench: setup ## speed and memory, side by side in one run
	@$(PYTHON) -m models.bench
	@$(PYTHON) -m infra.bench

storm: setup ## 100,000 comments under one post in an hour, 10,000 questions due in one minute: e-mails, caps, seconds of work
	@$(PYTHON) -m infra.bench.storm $(if $(COMMENTS),--comments $(COMMENTS)) $(if $(RUSH),--rush $(RUSH))
