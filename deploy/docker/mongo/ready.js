// The health check of MongoDB: well is a writable primary into which PariVision can log in. What isn't there yet it
// makes: the replica set, root, and the user `parivision`, whose password follows MONGO_PASSWORD. It may be interrupted
// anywhere and goes on with the next check, which the image's own init scripts can't: they run on an empty volume alone.
const fs = require("fs");

const NODE = "mongodb://127.0.0.1:27017/admin?directConnection=true&serverSelectionTimeoutMS=3000";
const ROOT = { user: "root", pwd: fs.readFileSync("/data/configdb/root-password", "utf8"), roles: ["root"] };
const OURS = {
  user: "parivision",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "parivision" }],
};

function loggedIn(database, who) {
  try {
    return database.auth(who.user, who.pwd).ok === 1;
  } catch (error) {
    if (error.codeName !== "AuthenticationFailed") throw error;
    return false;
  }
}

function untilPrimary(database) {
  for (let tries = 0; !database.hello().isWritablePrimary; tries += 1) {
    if (tries === 40) throw new Error("no writable primary after ten seconds");
    sleep(250);
  }
}

let admin = connect(NODE);
if (admin.hello().isreplicaset) {
  // It belongs to a replica set that nobody has founded.
  admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] } });
  print("the replica set is founded");
}
untilPrimary(admin);
if (!loggedIn(admin, OURS)) {
  admin = connect(NODE);
  if (!loggedIn(admin, ROOT)) {
    // Allowed from this machine as long as there is no user at all.
    admin.createUser(ROOT);
    loggedIn(admin, ROOT);
    print("root is created");
  }
  if (admin.getUser(OURS.user)) {
    admin.updateUser(OURS.user, { pwd: OURS.pwd, roles: OURS.roles });
    print("the password of parivision is changed");
  } else {
    admin.createUser(OURS);
    print("the user parivision is created");
  }
}
print("ready");
