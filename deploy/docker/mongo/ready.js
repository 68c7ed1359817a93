// The health check of MongoDB: healthy is a writable primary into which PariVision can log in. It creates what is
// missing: the replica set, root, and the user `parivision`, whose password follows MONGO_PASSWORD. It can be interrupted
// at any point and the next check goes on; the image's own init scripts can't, for they run only on an empty volume.
const fs = require("fs");

const NODE = "mongodb://127.0.0.1:27017/admin?directConnection=true&serverSelectionTimeoutMS=3000";
const ROOT = { user: "root", pwd: fs.readFileSync("/data/configdb/root-password", "utf8"), roles: ["root"] };
const PARIVISION = {
  user: "parivision",
  pwd: process.env.MONGO_PASSWORD,
  roles: [{ role: "readWrite", db: "parivision" }],
};

function loggedIn(database, account) {
  try {
    return database.auth(account.user, account.pwd).ok === 1;
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
  // mongod was started with --replSet, and the replica set isn't initiated yet.
  admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] } });
  print("the replica set is initiated");
}
untilPrimary(admin);
if (!loggedIn(admin, PARIVISION)) {
  admin = connect(NODE);
  if (!loggedIn(admin, ROOT)) {
    // MongoDB allows this from the same machine as long as there is no user.
    admin.createUser(ROOT);
    loggedIn(admin, ROOT);
    print("root is created");
  }
  if (admin.getUser(PARIVISION.user)) {
    admin.updateUser(PARIVISION.user, { pwd: PARIVISION.pwd, roles: PARIVISION.roles });
    print("the password of parivision is changed");
  } else {
    admin.createUser(PARIVISION);
    print("the user parivision is created");
  }
}
print("ready");
