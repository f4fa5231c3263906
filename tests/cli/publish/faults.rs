//! What goes wrong between two runs, or in the middle of one.

use std::fs;
use std::path::PathBuf;

use super::{BRANCH, Remote, push};
use crate::common::{Repository, Tool, fixture};

/// A `git` in front of the real one, as a script that sees every call.
struct Wrapper {
    directory: tempfile::TempDir,
}

impl Wrapper {
    /// `script` runs before the real git, which is `$REAL`; `$verb` is the subcommand and `$HERE`
    /// a directory of its own.
    fn new(script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let real = which_git();
        let text = format!(
            "#!/bin/sh\nREAL={}\nHERE={}\nverb=\nfor word in \"$@\"; do case $word in fetch|push|ls-remote|commit-tree) verb=$word; break;; esac; done\n{script}\nexec \"$REAL\" \"$@\"\n",
            real.display(),
            directory.path().display(),
        );
        let path = directory.path().join("git");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        Self { directory }
    }

    fn on(&self, tool: Tool) -> Tool {
        let path = std::env::var("PATH").unwrap_or_default();
        tool.env(
            "PATH",
            &format!("{}:{path}", self.directory.path().display()),
        )
    }
}

fn which_git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join("git"));
    found.into_iter().find(|git| git.is_file()).expect("git")
}

#[test]
fn a_persons_commit_stops_us_and_the_hint_hands_the_branch_back() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let person = remote.clone();
    person.git(&["checkout", "--quiet", BRANCH]);
    person.write("shop/note.txt", "mine").commit("a note");
    person.git(&["push", "--quiet", "origin", BRANCH]);
    let tip = remote.tip(BRANCH);
    let stopped = push(&clone, &["--namespace", "shop"]).fail(1);
    assert!(
        stopped.contains("a commit that meshroll did not write"),
        "{stopped}"
    );
    assert_eq!(remote.tip(BRANCH), tip);
    let command = stopped.split('`').nth(1).expect("a command");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    person.git(&words);
    push(&clone, &["--namespace", "shop"]).succeed();
    assert_eq!(remote.ahead(), 1);
}

#[test]
fn the_hint_names_the_remote_that_the_branch_is_on() {
    let remote = Remote::new();
    let clone = remote.clone();
    clone.git(&["remote", "rename", "origin", "upstream"]);
    let run = || push(&clone, &["--remote", "upstream"]);
    run().succeed();
    clone.git(&["fetch", "--quiet", "upstream"]);
    clone.git(&["checkout", "--quiet", BRANCH]);
    clone.write("shop/note.txt", "mine").commit("a note");
    clone.git(&["push", "--quiet", "upstream", BRANCH]);
    clone.git(&["checkout", "--quiet", "main"]);
    let stopped = run().fail(1);
    assert!(stopped.contains("`git push --force upstream "), "{stopped}");
    let snapshot = fixture("example/snapshot.json");
    let local = ["apply", "--to", "branch", "--snapshot", &snapshot];
    let stopped = clone.meshroll(&local).fail(1);
    assert!(
        stopped.contains(&format!("`git branch --force {BRANCH} ")),
        "{stopped}"
    );
    let command = stopped.split('`').nth(1).expect("a command");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    clone.git(&words);
    clone.meshroll(&local).succeed();
}

#[test]
fn an_amended_commit_is_a_persons() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let person = remote.clone();
    person.git(&["checkout", "--quiet", BRANCH]);
    person.write("shop/note.txt", "mine").git(&["add", "--all"]);
    person.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    person.git(&["push", "--quiet", "--force", "origin", BRANCH]);
    let stopped = push(&clone, &["--namespace", "shop"]).fail(1);
    assert!(
        stopped.contains("hand it back with `git push origin --delete"),
        "{stopped}"
    );
}

/// A person presses "Update branch", which merges base into it or rebases it.
fn update_branch(remote: &Remote, how: &[&str]) {
    let person = remote.clone();
    person.git(&["checkout", "--quiet", BRANCH]);
    person.git(how);
    person.git(&["push", "--quiet", "--force", "origin", BRANCH]);
}

#[test]
fn a_merge_of_base_by_a_button_is_no_persons_work() {
    let merge = ["merge", "--quiet", "--no-edit", "origin/main"];
    let remote = Remote::new();
    let clone = remote.clone();
    let shallow = Repository::clone_of(&format!("file://{}", remote.url()), &["--depth=1"]);
    push(&clone, &[]).succeed();
    for version in 2..5 {
        let (from, to) = (format!("2.4.{}", version - 1), format!("2.4.{version}"));
        remote.change("shop/cart.yaml", &from, &to);
        update_branch(&remote, &merge);
    }
    let tip = remote.tip(BRANCH);
    for clone in [&clone, &shallow] {
        push(clone, &[]).succeed();
        assert_eq!(remote.tip(BRANCH), tip, "it asks for the same restarts");
    }
    clone
        .write(
            "meshroll.yaml",
            "exclude: [{namespaces: [shop], reason: x}]\n",
        )
        .git(&[
            "pull",
            "--quiet",
            "--rebase",
            "--autostash",
            "origin",
            "main",
        ]);
    clone
        .commit("exclude")
        .git(&["push", "--quiet", "origin", "main"]);
    push(&shallow, &[]).succeed();
    assert_eq!(remote.ahead(), 1, "a new plan makes it one commit again");
}

#[test]
fn a_rebase_by_a_button_is_no_persons_work() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &["--namespace", "payments"]).succeed();
    remote.change("shop/cart.yaml", "2.4.1", "2.4.2");
    update_branch(&remote, &["rebase", "--quiet", "origin/main"]);
    let tip = remote.tip(BRANCH);
    push(&clone, &["--namespace", "payments"]).succeed();
    assert_eq!(remote.tip(BRANCH), tip);
    push(&clone, &[]).succeed();
    assert_eq!(remote.ahead(), 1);
}

#[test]
fn a_base_that_was_forced_elsewhere_gets_a_new_branch() {
    let remote = Remote::new();
    let clone = remote.clone();
    remote.change("shop/cart.yaml", "2.4.1", "2.4.2");
    push(&clone, &[]).succeed();
    let person = remote.clone();
    person.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    person
        .write("notes.txt", "instead")
        .commit("another history");
    person.git(&["push", "--quiet", "--force", "origin", "main"]);
    push(&clone, &[]).succeed();
    assert_eq!(remote.ahead(), 1);
    let cart = remote.git(&["show", &format!("{BRANCH}:shop/cart.yaml")]);
    assert!(
        cart.contains("2.4.1"),
        "what base gave up does not come back: {cart}"
    );
}

#[test]
fn a_lost_race_is_planned_again_and_never_rebased() {
    let remote = Remote::new();
    let other = remote.clone();
    let clone = remote.clone();
    // Somebody changes base, and another run pushes the branch, right before our first push.
    let script = format!(
        "if [ \"$verb\" = push ] && [ ! -e \"$HERE/raced\" ]; then : >\"$HERE/raced\"; (cd {} && \
         sed -i s/2.4.1/2.4.2/ shop/cart.yaml && $REAL commit -qam change && $REAL push -q origin main && \
         $REAL push -q origin main:refs/heads/{BRANCH}); fi",
        other.path().display()
    );
    let wrapper = Wrapper::new(&script);
    wrapper.on(push(&clone, &[])).succeed();
    assert_eq!(remote.ahead(), 1);
    let parent = remote.git(&["rev-parse", &format!("{BRANCH}^")]);
    assert_eq!(parent, remote.tip("main"), "it stands on the new base");
    let cart = remote.git(&["show", &format!("{BRANCH}:shop/cart.yaml")]);
    assert!(cart.contains("2.4.2"), "{cart}");
}

#[test]
fn a_race_that_is_lost_every_time_ends() {
    let remote = Remote::new();
    let other = remote.clone();
    let clone = remote.clone();
    let script = format!(
        "if [ \"$verb\" = push ]; then echo push >>\"$HERE/pushes\"; (cd {} && \
         $REAL commit -q --allow-empty -m change && $REAL push -q -f origin main:refs/heads/main main:refs/heads/{BRANCH}); fi",
        other.path().display()
    );
    let wrapper = Wrapper::new(&script);
    let lost = wrapper.on(push(&clone, &[])).fail(1);
    assert!(lost.contains("moved while meshroll was at work"), "{lost}");
    let pushes = fs::read_to_string(wrapper.directory.path().join("pushes")).expect("a log");
    assert_eq!(pushes.lines().count(), 10);
}

#[test]
fn two_runs_and_a_person_at_once_leave_one_commit() {
    let remote = Remote::new();
    let clones = [remote.clone(), remote.clone()];
    let person = remote.clone();
    let running: Vec<_> = clones
        .iter()
        .map(|clone| push(clone, &[]).start())
        .collect();
    for round in 0..3 {
        person
            .write("notes.txt", &format!("{round}"))
            .commit("a note");
        person.git(&["push", "--quiet", "origin", "main"]);
    }
    for child in running {
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
    assert_eq!(
        remote.git(&["rev-list", "--count", &format!("{BRANCH}^..{BRANCH}")]),
        "1"
    );
    let parent = remote.git(&["rev-parse", &format!("{BRANCH}^")]);
    remote.git(&["merge-base", "--is-ancestor", &parent, "main"]);
    assert_eq!(
        remote.git(&["show", "main:notes.txt"]),
        "2",
        "nothing of the person's is lost"
    );
    remote.git(&["fsck", "--strict"]);
}

#[test]
fn a_kill_at_any_step_leaves_sound_repositories_and_the_next_run_gives_the_same_commit() {
    let undisturbed = Remote::new();
    push(&undisturbed.clone(), &[]).succeed();
    let expected = undisturbed.tip(BRANCH);
    for verb in ["ls-remote", "fetch", "push"] {
        for moment in ["before", "after"] {
            let remote = Remote::new();
            let clone = remote.clone();
            // The parent of the script is meshroll.
            let script = match moment {
                "before" => format!("if [ \"$verb\" = {verb} ]; then kill -9 $PPID; exit 1; fi"),
                _ => format!(
                    "if [ \"$verb\" = {verb} ]; then \"$REAL\" \"$@\"; kill -9 $PPID; exit 1; fi"
                ),
            };
            let wrapper = Wrapper::new(&script);
            let mut child = wrapper.on(push(&clone, &[])).start();
            let status = child.wait().expect("an end");
            assert_eq!(status.code(), None, "{verb} {moment}: it was killed");
            clone.git(&["fsck", "--strict"]);
            remote.git(&["fsck", "--strict"]);
            assert_eq!(clone.git(&["status", "--porcelain"]), "");
            push(&clone, &[]).succeed();
            assert_eq!(remote.tip(BRANCH), expected, "{verb} {moment}");
        }
    }
}

#[test]
fn a_protected_branch_is_said_and_nothing_is_half_pushed() {
    let remote = Remote::new();
    remote.hook("pre-receive", "echo 'GH006: Protected branch'; exit 1");
    let clone = remote.clone();
    let refused = push(&clone, &[]).fail(1);
    assert!(
        refused.contains("the remote refuses the branch meshroll/default/all"),
        "{refused}"
    );
    assert!(refused.contains("GH006: Protected branch"), "{refused}");
    assert!(
        refused.contains("hint: let meshroll/** be written"),
        "{refused}"
    );
    assert!(!remote.has(BRANCH));
}

#[test]
fn a_branch_that_somebody_deleted_comes_back() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    remote.git(&["branch", "-D", BRANCH]);
    push(&clone, &[]).succeed();
    assert_eq!(remote.tip(BRANCH), tip);
}

#[test]
fn remotes_that_cannot_be_used_are_said() {
    let clone = Remote::new().clone();
    let gone = push(&clone, &[]).fail(1);
    assert!(
        gone.contains("asking the remote for its branches at origin"),
        "{gone}"
    );
    assert!(!gone.contains("Please make sure"), "{gone}");
    let none = push(&clone, &["--remote", "upstream"]).fail(1);
    assert!(
        none.contains("there is no remote `upstream`") && none.contains("--remote"),
        "{none}"
    );
    let remote = Remote::new();
    let clone = remote.clone();
    let unknown = push(&clone, &["--base", "release"]).fail(1);
    assert!(
        unknown.contains("origin has no branch release"),
        "{unknown}"
    );
    let option = push(&clone, &["--remote=--upload-pack=touch x"]).fail(64);
    assert!(
        option.contains("is not taken as a remote or branch"),
        "{option}"
    );
    let program = push(&clone, &["--remote", "ext::sh -c touch% x"]).fail(64);
    assert!(
        program.contains("is not taken as a remote or branch"),
        "{program}"
    );
    let revision = push(&clone, &["--rev", "HEAD"]).fail(64);
    assert!(revision.contains("leave --rev out"), "{revision}");
    assert!(!clone.path().join("x").exists());
}

#[test]
fn an_empty_remote_has_no_base() {
    let directory = Repository::empty();
    directory.git(&[
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        "remote.git",
    ]);
    let url = directory.path().join("remote.git");
    let clone = Remote::new().clone();
    clone.git(&["remote", "set-url", "origin", url.to_str().expect("UTF-8")]);
    let empty = push(&clone, &[]).fail(1);
    assert!(empty.contains("origin has no branch main"), "{empty}");
}

#[test]
fn credentials_of_a_url_stay_out_of_what_is_said() {
    let clone = Remote::new().clone();
    let url = "http://robot:s3cr3t@127.0.0.1:1/x.git";
    clone.git(&["remote", "set-url", "origin", url]);
    let outcome = push(&clone, &["-v", "-v"]).run();
    assert_eq!(outcome.status, 1);
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(!said.contains("s3cr3t"), "{said}");
    assert!(said.contains("127.0.0.1"), "{said}");
    let refused = push(&clone, &["--remote", url]).fail(64);
    assert!(
        refused.contains("names a password") && !refused.contains("s3cr3t"),
        "{refused}"
    );
}

/// A remote with a long history, so that a shallow clone of it stays shallow.
fn long_history() -> Remote {
    let remote = Remote::new();
    let clone = remote.clone();
    for round in 0..70 {
        clone
            .write("round.txt", &format!("{round}"))
            .commit("a round");
    }
    clone.git(&["push", "--quiet", "origin", "main"]);
    remote
}

#[test]
fn a_shallow_clone_knows_a_persons_work_as_well() {
    let remote = long_history();
    push(&remote.clone(), &[]).succeed();
    let person = remote.clone();
    person.git(&["checkout", "--quiet", "-b", "feature", "main~65"]);
    person.write("feature.txt", "mine").commit("a feature");
    person.git(&["checkout", "--quiet", BRANCH]);
    person.git(&["merge", "--quiet", "--no-edit", "feature"]);
    person.git(&["push", "--quiet", "origin", BRANCH]);
    let tip = remote.tip(BRANCH);
    let url = format!("file://{}", remote.url());
    let shallow = Repository::clone_of(&url, &["--depth=1"]);
    let exclude = "exclude: [{namespaces: [shop], reason: x}]\n";
    shallow.write("meshroll.yaml", exclude).commit("exclude");
    shallow.git(&["push", "--quiet", "origin", "main"]);
    let stopped = push(&shallow, &[]).fail(1);
    assert!(
        stopped.contains("a commit that meshroll did not write"),
        "{stopped}"
    );
    assert_eq!(remote.tip(BRANCH), tip);
}

#[test]
fn a_shallow_clone_keeps_what_only_base_moved_under() {
    let remote = long_history();
    push(&remote.clone(), &[]).succeed();
    let tip = remote.tip(BRANCH);
    let person = remote.clone();
    for round in 0..60 {
        person
            .write("round.txt", &format!("later {round}"))
            .commit("a round");
    }
    person.git(&["push", "--quiet", "origin", "main"]);
    let url = format!("file://{}", remote.url());
    let shallow = Repository::clone_of(&url, &["--depth=1"]);
    push(&shallow, &[]).succeed();
    assert_eq!(remote.tip(BRANCH), tip);
    // What base gave up does not come back through a shallow clone either.
    person.git(&["reset", "--quiet", "--hard", "HEAD~62"]);
    person
        .write("notes.txt", "instead")
        .commit("another history");
    person.git(&["push", "--quiet", "--force", "origin", "main"]);
    let shallow = Repository::clone_of(&url, &["--depth=1"]);
    push(&shallow, &[]).succeed();
    assert_ne!(remote.tip(BRANCH), tip);
    assert_eq!(remote.ahead(), 1);
}

#[test]
fn a_commit_that_is_only_looked_at_deletes_nothing() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    // A copy of the branch under another name is no base.
    remote.git(&["branch", "review", BRANCH]);
    let refused = push(&clone, &["--base", "review"]).fail(1);
    assert!(
        refused.contains("review stands where meshroll/default/all does"),
        "{refused}"
    );
    assert_eq!(remote.tip(BRANCH), tip);
    clone.git(&["branch", "--quiet", BRANCH, &format!("origin/{BRANCH}")]);
    let snapshot = fixture("example/snapshot.json");
    let looked_at = [
        "apply",
        "--to",
        "branch",
        "--snapshot",
        &snapshot,
        "--rev",
        BRANCH,
    ];
    let refused = clone.meshroll(&looked_at).fail(1);
    assert!(
        refused.contains("the commit that is planned for is meshroll/default/all itself"),
        "{refused}"
    );
    clone.git(&["checkout", "--quiet", "--detach", BRANCH]);
    clone.meshroll(&looked_at[..5]).fail(1);
    assert_eq!(clone.git(&["rev-parse", BRANCH]), tip);
}

#[test]
fn a_persons_commit_below_ours_stops_us_too() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let person = remote.clone();
    person.git(&["checkout", "--quiet", "-b", "mine", "origin/main"]);
    person.write("note.txt", "mine").commit("a note");
    person.git(&["cherry-pick", &format!("origin/{BRANCH}")]);
    person.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        &format!("mine:{BRANCH}"),
    ]);
    let tip = remote.tip(BRANCH);
    let exclude = "exclude: [{namespaces: [shop], reason: x}]\n";
    clone.write("meshroll.yaml", exclude).commit("exclude");
    clone.git(&["push", "--quiet", "origin", "main"]);
    let stopped = push(&clone, &[]).fail(1);
    assert!(
        stopped.contains("a commit that meshroll did not write"),
        "{stopped}"
    );
    assert_eq!(remote.tip(BRANCH), tip);
}

#[test]
fn another_clusters_branch_is_not_taken_over() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    let example = fs::read_to_string(fixture("example/snapshot.json"));
    let other = example.expect("a file").replace(
        "051c1ad5-f5de-48cc-a216-14c41f8e862e",
        "1c0ffee1-f5de-48cc-a216-14c41f8e862e",
    );
    clone.write(".git/other.json", &other);
    let apply = [
        "apply",
        "--to",
        "branch",
        "--push",
        "--snapshot",
        ".git/other.json",
    ];
    let refused = clone.meshroll(&apply).fail(1);
    assert!(
        refused.contains("holds the restarts of another cluster"),
        "{refused}"
    );
    assert!(refused.contains("--cluster NAME"), "{refused}");
    assert_eq!(remote.tip(BRANCH), tip);
    clone
        .meshroll(&[&apply[..], &["--cluster", "other"]].concat())
        .succeed();
    assert!(remote.has("meshroll/other/all"));
}

#[test]
fn what_cannot_be_told_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    // A copy on base makes two manifests claim the workloads.
    let cart = clone.read("shop/cart.yaml");
    clone.write(
        "backup/cart.yaml",
        &cart.replace("\n  name: cart\n", "\n  name: cart\n  namespace: shop\n"),
    );
    clone
        .commit("a backup")
        .git(&["push", "--quiet", "origin", "main"]);
    let kept = push(&clone, &[]).run();
    assert!(kept.stdout.contains("has it already"), "{kept:?}");
    let why =
        "warning[branch-kept]: the open branch stays as it is: it restarts Deployment shop/cart, ";
    assert!(kept.stderr.contains(why), "{kept:?}");
    clone.git(&["revert", "--no-edit", "HEAD"]);
    clone.git(&["push", "--quiet", "origin", "main"]);
    // A snapshot that breaks off among the pods.
    let example = fs::read_to_string(fixture("example/snapshot.json"));
    let example = example.expect("a file");
    let cut = example.rfind("\"kind\": \"Pod\"").expect("a pod");
    clone.write(".git/cut.json", &example[..cut]);
    let mut apply = vec!["apply", "--to", "branch", "--push", "--allow-partial"];
    apply.extend([
        "--now",
        "2026-11-20T08:52:11Z",
        "--snapshot",
        ".git/cut.json",
    ]);
    let outcome = clone.meshroll(&apply).run();
    assert!(
        outcome.status == 0 && outcome.stdout.contains("has it already"),
        "{outcome:?}"
    );
    assert_eq!(remote.tip(BRANCH), tip);
}

#[test]
fn a_name_that_a_kustomization_gives_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    // The manifest is `ca`, of which the kustomization makes `cart`, in another namespace.
    let cart = clone.read("shop/cart.yaml");
    let written = cart.replace("\n  name: cart\n", "\n  name: ca\n  namespace: base\n");
    let kustomization = clone.read("shop/kustomization.yaml");
    clone.write(
        "shop/kustomization.yaml",
        &kustomization.replace("  - cart.yaml\n", ""),
    );
    fs::remove_file(clone.path().join("shop/cart.yaml")).expect("gone");
    clone.write("base/cart.yaml", &written);
    let overlay = "resources: [cart.yaml]\nnamespace: shop\nnameSuffix: rt\n";
    clone
        .write("base/kustomization.yaml", overlay)
        .commit("a suffix");
    clone.git(&["push", "--quiet", "origin", "main"]);
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    let edited = remote.git(&["show", "--stat", BRANCH]);
    assert!(edited.contains("base/cart.yaml"), "{edited}");
    for (path, text) in [
        ("base/kustomization.yaml", "resources: [\n"),
        ("base/cart.yaml", &*written.replacen("spec:", " : [", 1)),
    ] {
        clone.write(path, text).commit("oops");
        clone.git(&["push", "--quiet", "origin", "main"]);
        push(&clone, &[]).succeed();
        assert_eq!(remote.tip(BRANCH), tip, "{path}");
        clone.git(&["revert", "--no-edit", "HEAD"]);
        clone.git(&["push", "--quiet", "origin", "main"]);
    }
}

#[test]
fn a_manifest_that_cannot_be_edited_any_more_takes_no_edit_out() {
    let remote = Remote::new();
    let clone = remote.clone();
    push(&clone, &[]).succeed();
    let tip = remote.tip(BRANCH);
    remote.change("shop/cart.yaml", "  template:\n", "  template: !x\n");
    let kept = push(&clone, &[]).run();
    let why = "it restarts Deployment shop/cart, whose manifest cannot be edited now";
    assert!(kept.stderr.contains(why), "{kept:?}");
    assert_eq!(remote.tip(BRANCH), tip);
    // Nobody can merge the branch any more: the rest goes on without.
    remote.change("shop/cart.yaml", "# scraped by", "# read by");
    push(&clone, &[]).succeed();
    assert_ne!(remote.tip(BRANCH), tip);
    let edited = remote.git(&["show", "--stat", BRANCH]);
    assert!(
        edited.contains("checkout.yaml") && !edited.contains("cart.yaml"),
        "{edited}"
    );
}
